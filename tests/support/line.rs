//! A line between a client and a server, which a test can cut.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A line to a server that can be cut.
pub struct Line {
    pub url: String,
    state: Arc<Mutex<Ends>>,
}

#[derive(Default)]
struct Ends {
    is_cut: bool,
    open: Vec<TcpStream>,
}

impl Line {
    pub fn to(server: &str) -> Line {
        let (listener, server) = (TcpListener::bind("127.0.0.1:0").unwrap(), server.to_owned());
        let url = format!("http://{}", listener.local_addr().unwrap());
        let line = Line { url, state: Arc::default() };
        let state = line.state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map(Result::unwrap) {
                let mut state = state.lock().unwrap();
                let Some(server) = (!state.is_cut).then(|| TcpStream::connect(&server).unwrap()) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    std::thread::spawn(move || {
                        // A cut breaks the copy.
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                state.open.extend([client, server]);
            }
        });
        line
    }

    pub fn cut(&self, is_cut: bool) {
        let mut state = self.state.lock().unwrap();
        state.is_cut = is_cut;
        for end in state.open.drain(..) {
            // The other side may have closed it.
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

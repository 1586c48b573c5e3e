//! A terminal of its own for a command: a pseudo terminal, and the screen that the command's output makes on it.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::cli::{Cli, Running};
use super::wait::{until, until_some};

/// A command on a terminal. Dropping the value kills the command.
pub struct Terminal {
    keys: File,
    screen: Arc<Mutex<vt100::Parser>>,
    running: Running,
}

impl Terminal {
    /// Starts `command` on a terminal with so many rows and columns.
    pub fn start(command: Cli, rows: u16, columns: u16) -> Terminal {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        let path = ptsname(&keys, Vec::new()).unwrap().into_string().unwrap();
        let side = || File::options().read(true).write(true).open(&path).unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let keys = File::from(keys);
        // The size belongs to the terminal while it is open on either side.
        let first = side();
        tcsetwinsize(&keys, size(rows, columns)).unwrap();
        let running = command.env("TERM", "xterm").stdin(side()).stdout(side()).stderr(side()).start();
        drop(first);
        let (mut output, onto) = (keys.try_clone().unwrap(), screen.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The read fails when the command has ended.
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                onto.lock().unwrap().process(&bytes[..count]);
            }
        });
        Terminal { keys, screen, running }
    }

    /// The rows of the screen, without spaces at their ends.
    pub fn rows(&self) -> Vec<String> {
        let parser = self.screen.lock().unwrap();
        let columns = parser.screen().size().1;
        parser.screen().rows(0, columns).map(|row| row.trim_end().to_owned()).collect()
    }

    /// Waits until the screen is as `expected` says, and returns its rows.
    #[track_caller]
    pub fn until(&self, what: &str, expected: impl Fn(&[String]) -> bool) -> Vec<String> {
        until_some(what, || Some(self.rows()).filter(|rows| expected(rows)))
    }

    /// Changes the size.
    pub fn resize(&self, rows: u16, columns: u16) {
        self.screen.lock().unwrap().screen_mut().set_size(rows, columns);
        tcsetwinsize(&self.keys, size(rows, columns)).unwrap();
    }

    /// Waits until the terminal hides the keys. The command discards keys that arrive earlier.
    #[track_caller]
    pub fn until_hidden(&self) {
        until("typed text is hidden", || !tcgetattr(&self.keys).unwrap().local_modes.contains(LocalModes::ECHO));
    }

    /// Types a text.
    pub fn type_in(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).unwrap();
    }

    /// Waits for the command's end, and returns its exit code.
    pub fn wait(self) -> i32 {
        self.running.wait().code
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

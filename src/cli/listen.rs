//! The options for an address to listen on: an IP address or a host name, and a port.

use std::net::{SocketAddr, ToSocketAddrs};

use tokio::net::{TcpListener, TcpSocket};

use super::Failure;

/// Connections that may wait until the server accepts them. After a restart all watchers come at once, and a connection for which there
/// is no room takes seconds or is lost. The system lowers the figure to its own limit (`net.core.somaxconn`).
const WAITING: u32 = 16_384;

/// `ADDRESS:PORT` as the option has it, and the addresses of its name.
#[derive(Debug, Clone)]
pub(super) struct Listen {
    text: String,
    addresses: Vec<SocketAddr>,
}

/// Why a server cannot listen on an address.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadAddress {
    #[error("expected ADDRESS:PORT, such as 127.0.0.1:8347 or localhost:8347: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("this name has no address")]
    None,
}

impl Listen {
    /// Reads the address, and looks a name up. Addresses of version 4 come first, because most clients try them first.
    pub(super) fn parse(text: &str) -> Result<Listen, BadAddress> {
        let mut addresses: Vec<SocketAddr> = text.to_socket_addrs()?.collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        match addresses.is_empty() {
            true => Err(BadAddress::None),
            false => Ok(Listen { text: text.to_owned(), addresses }),
        }
    }

    /// Whether only this machine can reach every address.
    pub(super) fn is_loopback(&self) -> bool {
        self.addresses.iter().all(|address| address.ip().is_loopback())
    }

    /// Listens on the first address that the system allows.
    pub(super) fn bind(&self) -> Result<TcpListener, Failure> {
        let mut refused = None;
        for address in &self.addresses {
            match listen(*address) {
                Ok(listener) => return Ok(listener),
                Err(error) => refused = Some(error),
            }
        }
        let why = refused.map(|error| format!(": {error}")).unwrap_or_default();
        Err(Failure::CouldNotRun(format!("cannot listen on {}{why}", self.text)))
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that starts again takes its address although connections to the one before still close.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

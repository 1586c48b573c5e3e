//! Certificates for servers under test.

use std::path::Path;
use std::process::Command;

/// Makes a self-signed certificate for 127.0.0.1 and its key in `dir`. Replaces existing files, the certificate first. Returns `None` if
/// this machine lacks openssl.
pub fn certificate(dir: &Path) -> Option<(String, String)> {
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("cert.pem"), path("key.pem"));
    let (new_certificate, new_key) = (path("cert.new"), path("key.new"));
    let made = Command::new("openssl")
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test".split(' '))
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &new_key, "-out", &new_certificate])
        .output();
    match made {
        Ok(made) => {
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            std::fs::rename(&new_certificate, &certificate).unwrap();
            std::fs::rename(&new_key, &key).unwrap();
            Some((certificate, key))
        }
        Err(_) => None,
    }
}

//! A daemon that listens on TCP, and requests as bytes: what no well-behaved client would send.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;

use serde_json::Value;

use crate::env::{PATIENCE, TestEnv};

/// The key that the daemon is started with.
pub(crate) const KEY: &str = "the-daemons-own-key-7a41c9";

/// A daemon with a TCP listener on loopback.
pub(crate) struct Listening {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Listening {
    /// Starts it in this home, and waits until it is ready.
    pub(crate) fn start(env: &TestEnv) -> Self {
        Self::start_on(env, "127.0.0.1:0")
    }

    /// The same on another address.
    pub(crate) fn start_on(env: &TestEnv, address: &str) -> Self {
        let mut command = env.command(["serve", "--json", "--listen", address]);
        command.env("DASH_API_KEY", KEY).stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let address = ready["listen"].as_str().unwrap().parse().unwrap();
        Self { child, address }
    }

    /// Sends these bytes and gives the whole answer.
    pub(crate) fn send(&self, bytes: &[u8]) -> Answer {
        exchange(TcpStream::connect(self.address).unwrap(), bytes)
    }

    /// A request with the right Host and these headers; the connection ends with it.
    pub(crate) fn ask(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let host = self.address.to_string();
        let mut all = vec![("host", host.as_str())];
        all.extend_from_slice(headers);
        self.send(&request(line, &all, body))
    }

    /// The same with the key.
    pub(crate) fn ask_as(&self, key: &str, line: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.ask(line, &headers, body)
    }

    /// Waits for the daemon to end. To be called after it was told to, or killed.
    pub(crate) fn ended(mut self) {
        self.child.wait().unwrap();
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// 0 when the connection ended without one.
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let body = self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A request as bytes, with its length when it has a body.
pub(crate) fn request(line: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{line} HTTP/1.1\r\nconnection: close\r\n");
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    if !body.is_empty() {
        let length = body.len().to_string();
        text.extend(["content-length: ", &length, "\r\n"]);
    }
    (text + "\r\n" + body).into_bytes()
}

/// The same over a Unix socket.
pub(crate) fn over_unix(socket: &Path, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut all = vec![("host", "localhost")];
    all.extend_from_slice(headers);
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    answer(stream, &request(line, &all, body))
}

fn exchange(stream: TcpStream, bytes: &[u8]) -> Answer {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    answer(stream, bytes)
}

fn answer(mut stream: impl Read + Write, bytes: &[u8]) -> Answer {
    // A daemon that has heard enough closes while we still write.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(bytes) => answer.extend_from_slice(&piece[..bytes]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&answer)),
        }
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, text }
}

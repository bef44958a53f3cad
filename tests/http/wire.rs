//! HTTP as bytes on a socket, so that nothing of ours stands between a test and the daemon.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::Value;

use crate::env::{PATIENCE, TestEnv};

/// Where to call.
#[derive(Debug, Clone)]
pub(crate) enum At {
    Unix(PathBuf),
    Tcp(String),
}

/// An answer, as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {self:?} {text}"))
    }

    /// The answer's JSON, when its status is this one.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// The code of the failure that it tells of, which has all that a failure must have.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        let error = self.expect(status)["error"].clone();
        for name in ["code", "message", "request_id"] {
            let text = error[name].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{name} is missing: {error}");
        }
        error["code"].as_str().unwrap().to_owned()
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl At {
    pub(crate) fn socket_of(env: &TestEnv) -> Self {
        Self::Unix(env.socket())
    }

    fn connect(&self) -> Box<dyn Stream> {
        match self {
            Self::Unix(path) => {
                let stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Box::new(stream)
            }
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Box::new(stream)
            }
        }
    }

    fn host(&self) -> &str {
        match self {
            Self::Unix(_) => "localhost",
            Self::Tcp(address) => address,
        }
    }

    /// Sends a request and reads the answer to its end. A header that is given stands instead of
    /// the usual one.
    pub(crate) fn call(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut stream = self.send(method, target, headers, body);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        answer(&bytes)
    }

    fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Box<dyn Stream> {
        let length = body.len().to_string();
        let usual = [
            ("host", self.host()),
            ("connection", "close"),
            ("content-type", "application/json"),
            ("content-length", &length),
        ];
        let given = |name: &str| headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        let mut request = format!("{method} {target} HTTP/1.1\r\n");
        for (name, value) in usual.iter().filter(|(name, _)| !given(name)).chain(headers) {
            request.extend([name, ": ", value, "\r\n"]);
        }
        request.push_str("\r\n");
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        // A refusal may come before the body has been read.
        let _ = stream.write_all(body);
        stream
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.call("GET", target, &[], b"")
    }

    pub(crate) fn post(&self, target: &str, body: &Value) -> Answer {
        self.call("POST", target, &[], body.to_string().as_bytes())
    }

    /// Reads an event stream until `enough` says so of what came.
    pub(crate) fn stream(
        &self,
        target: &str,
        headers: &[(&str, &str)],
        enough: impl Fn(&[Told]) -> bool,
    ) -> Vec<Told> {
        let mut all = vec![("accept", "text/event-stream")];
        all.extend(headers);
        let mut stream = self.send("GET", target, &all, b"");
        let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
        loop {
            let count = stream.read(&mut part).unwrap();
            bytes.extend(&part[..count]);
            let told = if bytes.windows(4).any(|it| it == b"\r\n\r\n") {
                told(&answer(&bytes).body)
            } else {
                Vec::new()
            };
            if enough(&told) {
                return told;
            }
            assert!(count > 0, "the stream ended: {}", String::from_utf8_lossy(&bytes));
        }
    }
}

/// One server-sent event.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) event: String,
    pub(crate) data: Value,
}

fn told(body: &[u8]) -> Vec<Told> {
    let text = String::from_utf8_lossy(body);
    let complete = &text[..text.rfind("\n\n").map_or(0, |end| end + 2)];
    let blocks = complete.split("\n\n").filter(|block| !block.trim().is_empty());
    let read = |block: &str| {
        let mut told = Told::default();
        for line in block.lines() {
            match line.split_once(':') {
                Some(("id", value)) => value.trim().clone_into(&mut told.id),
                Some(("event", value)) => value.trim().clone_into(&mut told.event),
                Some(("data", value)) => told.data = serde_json::from_str(value).unwrap(),
                Some(("", _)) | None => {}
                Some(other) => panic!("{other:?} is no field of an event"),
            }
        }
        told
    };
    blocks.map(read).filter(|told| !told.data.is_null()).collect()
}

fn answer(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer { status, headers, body: bytes[end + 4..].to_vec() };
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = dechunked(&answer.body);
    }
    answer
}

/// The bytes of the chunks that are complete.
fn dechunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|it| it == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        let Some(chunk) = rest.get(end + 2..end + 2 + size) else { break };
        body.extend(chunk);
        rest = rest.get(end + 4 + size..).unwrap_or_default();
    }
    body
}

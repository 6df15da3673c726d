//! The running node: how a command finds it and asks it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use console::api::Problem;
use runtime::http::blocking::{BlockingClient, BlockingStream};
use runtime::http::{Call, ClientError, ClientLimits, Reply};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Failure, Place};
use crate::config;
use crate::node_file::NodeFile;

/// Environment variable with the token for a console that is not on loopback.
const TOKEN_VARIABLE: &str = "MAINSPRING_TOKEN";

/// Time for an answer that needs no work.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The node that a command is about.
#[derive(Clone, Debug)]
pub(super) struct Target {
    url: Option<String>,
    config: PathBuf,
}

/// A way to ask a node.
pub(super) struct Remote {
    client: BlockingClient,
    /// `http://127.0.0.1:7070`.
    url: String,
    token: Option<String>,
    /// Where it was found, for messages.
    origin: String,
    /// Its process, when known.
    pub(super) pid: Option<u32>,
}

/// How long a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// It needs no work.
    Short,
    /// It answers when something is over, such as a deploy.
    Long,
}

impl Target {
    pub(super) fn new(place: &Place) -> Self {
        Self { url: place.node.clone(), config: place.config.clone() }
    }

    /// The data folder, when no node runs from it; nothing when one does or a URL was given.
    pub(super) fn idle_folder(&self) -> Option<PathBuf> {
        if self.url.is_some() {
            return None;
        }
        let data = config::data_folder(&self.config);
        let running = NodeFile::read(&data).is_ok_and(|file| file.is_some_and(|it| runs(it.pid)));
        if running { None } else { Some(data) }
    }

    /// Finds the node.
    ///
    /// # Errors
    /// When no node runs from that configuration, with how to start or name one.
    pub(super) fn connect(&self, patience: Patience) -> Result<Remote, Failure> {
        let token = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty());
        if let Some(url) = &self.url {
            let url = if url.contains("://") { url.clone() } else { format!("http://{url}") };
            let url = url.trim_end_matches('/').to_owned();
            return Remote::new(url, token, "--node".to_owned(), None, patience);
        }
        let data = config::data_folder(&self.config);
        let place = NodeFile::path(&data).display().to_string();
        let file = NodeFile::read(&data).map_err(|error| {
            let hint = "name the node with --node http://ADDRESS:PORT";
            Failure::failed(format!("cannot read {place}: {error}\n  {hint}"))
        })?;
        let Some(file) = file else {
            let config = self.config.display();
            return Err(Failure::failed(format!(
                "no node is running for {config}: there is no {place}\n  start one with \
                 `mainspring up -c {config}`, or name one with --node http://ADDRESS:PORT"
            )));
        };
        let url = format!("http://{}", reachable(&file.console));
        Remote::new(url, token.or(file.token), place, Some(file.pid), patience)
    }
}

impl Remote {
    fn new(
        url: String,
        token: Option<String>,
        origin: String,
        pid: Option<u32>,
        patience: Patience,
    ) -> Result<Self, Failure> {
        let answer_timeout = match patience {
            Patience::Short => Some(ANSWER_TIMEOUT),
            Patience::Long => None,
        };
        let limits = ClientLimits { answer_timeout, ..ClientLimits::default() };
        let client = BlockingClient::new(limits)
            .map_err(|error| Failure::failed(format!("cannot open a client: {error}")))?;
        Ok(Self { client, url, token, origin, pid })
    }

    /// Reads something.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.answer(&self.call("GET", path))
    }

    /// Asks for something to be done.
    pub(super) fn send<B: Serialize, T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: &B,
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Failure::failed(format!("cannot write JSON: {error}")))?;
        self.answer(&self.call(method, path).json(body))
    }

    /// Removes something.
    pub(super) fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.answer(&self.call("DELETE", path).header("content-type", "application/json"))
    }

    /// Begins to read server-sent events.
    pub(super) fn open(&self, path: &str) -> Result<BlockingStream<'_>, Failure> {
        let call = self.call("GET", path).header("accept", "text/event-stream");
        let mut stream = self.client.open(&call).map_err(|error| self.no_answer(&error))?;
        if stream.reply.status == 200 {
            return Ok(stream);
        }
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = stream.chunk() {
            body.extend_from_slice(&chunk);
            if body.len() > 64 << 10 {
                break;
            }
        }
        Err(self.refused(stream.reply.status, &body))
    }

    /// Whether the node is still there: its process, where we know it, or else its API.
    pub(super) fn is_there(&self) -> bool {
        match self.pid {
            Some(pid) => runs(pid),
            None => self.client.send(&self.call("GET", "/status")).is_ok(),
        }
    }

    fn call(&self, method: &str, path: &str) -> Call {
        let call = Call::new(method, format!("{}/api/v1{path}", self.url));
        match &self.token {
            Some(token) => call.header("authorization", format!("Bearer {token}")),
            None => call,
        }
    }

    fn answer<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Failure> {
        let Reply { status, body, .. } =
            self.client.send(call).map_err(|error| self.no_answer(&error))?;
        if !(200..300).contains(&status) {
            return Err(self.refused(status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| {
            Failure::failed(format!(
                "{} answers something else than this version of Mainspring expects: {error}",
                self.url
            ))
        })
    }

    fn no_answer(&self, error: &ClientError) -> Failure {
        let what = match error {
            ClientError::Connect(why) => format!("no node answers at {}: {why}", self.url),
            ClientError::TimedOut(after) => {
                format!("{} did not answer within {}", self.url, config::show_duration(*after))
            }
            ClientError::Invalid(why) => {
                return Failure::wrong(format!("cannot ask {}: {why}", self.url));
            }
            ClientError::Broken(why) => {
                format!("the connection to {} broke: {why}", self.url)
            }
            ClientError::TooLong(bytes) => {
                format!("{} answered more than {bytes} bytes", self.url)
            }
        };
        let hint = match (error, self.pid) {
            (ClientError::Connect(_), Some(pid)) => format!(
                "\n  {} says that process {pid} is there; it probably died, and its programs run on: \
                 `mainspring up` takes them over, and `mainspring stop` then ends them",
                self.origin
            ),
            _ => String::new(),
        };
        Failure::failed(format!("{what}{hint}"))
    }

    fn refused(&self, status: u16, body: &[u8]) -> Failure {
        let code = if status == 422 { super::WRONG } else { super::FAILED };
        let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
            let message = format!("{} answered {status}, but not as a node does", self.url);
            return Failure { code, message };
        };
        let mut message = if problem.detail.is_empty() { problem.title } else { problem.detail };
        if status == 401 {
            message.push_str(&format!(
                "\n  put the token into ${TOKEN_VARIABLE}; it stands in the node's data folder"
            ));
        }
        for line in problem.lines {
            message.push('\n');
            message.push_str(&line);
        }
        Failure { code, message }
    }
}

/// Whether a process runs. One that has ended and waits for its parent to ask does not.
fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the name, which may itself hold parentheses (proc_pid_stat(5)).
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Where to connect to a door at `address`: one that is open to all is open to us by loopback.
fn reachable(address: &str) -> String {
    match address.parse::<SocketAddr>() {
        Ok(door) if door.ip().is_unspecified() => {
            let ip: IpAddr = if door.is_ipv4() {
                Ipv4Addr::LOCALHOST.into()
            } else {
                Ipv6Addr::LOCALHOST.into()
            };
            SocketAddr::new(ip, door.port()).to_string()
        }
        Ok(_) | Err(_) => address.to_owned(),
    }
}

/// A text as one segment of a path or one value of a query (RFC 3986 §2.3).
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_unreserved_is_escaped() {
        assert_eq!(encode("a-Z_0.~"), "a-Z_0.~");
        assert_eq!(encode("a b/ä&"), "a%20b%2F%C3%A4%26");
    }
}

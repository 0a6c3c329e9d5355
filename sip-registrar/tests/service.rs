//! The program itself, started, killed and started again on one database.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test with real time")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sip-registrar");

struct Service {
    child: Child,
    directory: PathBuf,
    http: SocketAddr,
}

impl Service {
    /// A configuration in an empty directory of this test's own.
    fn prepare(test: &str) -> (PathBuf, SocketAddr) {
        let directory = std::env::temp_dir().join(format!("parley-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (http, sip) = (free(), free());
        let config = format!(
            "[sip]\nlisten = [\"{sip}\"]\n[http]\nlisten = \"{http}\"\n[mixer]\naddress = \"127.0.0.1:9\"\n\
             [store]\npath = \"{}\"\n",
            directory.join("registrar.db").display()
        );
        std::fs::write(directory.join("registrar.toml"), config).unwrap();
        (directory, http)
    }

    fn start(directory: &Path, http: SocketAddr) -> Self {
        let mut child = Command::new(PROGRAM)
            .arg("--config")
            .arg(directory.join("registrar.toml"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The log says when it serves; it is read to its end so that the pipe never fills.
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let serves = log.by_ref().map_while(Result::ok).any(|line| line.contains("/api/v1"));
        assert!(serves, "it does not start");
        std::thread::spawn(move || log.for_each(drop));
        Service { child, directory: directory.to_owned(), http }
    }

    /// One request; the status and the body.
    fn ask(&self, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(self.http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.http,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // SIGKILL: nothing is tidied up.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(directory: &Path, arguments: &[&str]) -> Output {
    let config = directory.join("registrar.toml");
    Command::new(PROGRAM).arg("--config").arg(config).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_crash_loses_no_conference_no_record_and_no_account() {
    let (directory, http) = Service::prepare("crash");
    let scopes = "meetings:read,meetings:write,history,accounts";
    let token = text(&command(&directory, &["token", "add", "ops", "--scope", scopes]));
    let token = token.trim();
    let plan = json!({"name": "plan", "subject": "Plan", "pin": "4711", "visibility": "hidden"});
    {
        let service = Service::start(&directory, http);
        assert_eq!(service.ask("POST", "/api/v1/meetings", token, &plan).0, 201);
        assert_eq!(service.ask("POST", "/api/v1/meetings", token, &json!({"name": "off"})).0, 201);
        assert_eq!(service.ask("POST", "/api/v1/meetings/plan/lock", token, &Value::Null).0, 200);
        assert_eq!(service.ask("DELETE", "/api/v1/meetings/off", token, &Value::Null).0, 204);
        let zoe = json!({"user": "zoé", "password": "secret"});
        assert_eq!(service.ask("POST", "/api/v1/accounts", token, &zoe).0, 201);
        // What was asked to be kept before a question is there when it is answered.
        assert_eq!(service.ask("GET", "/api/v1/history", token, &Value::Null).0, 200);
    }
    let service = Service::start(&directory, http);
    let (status, meeting) = service.ask("GET", "/api/v1/meetings/plan", token, &Value::Null);
    assert_eq!(status, 200, "{meeting}");
    let kept = ["subject", "locked", "has_pin", "visibility", "organizer"].map(|key| &meeting[key]);
    assert_eq!(json!(kept), json!(["Plan", true, true, "hidden", "ops"]));
    assert_eq!(service.ask("POST", "/api/v1/meetings/off/lock", token, &Value::Null).0, 410);
    let (_, accounts) = service.ask("GET", "/api/v1/accounts", token, &Value::Null);
    assert_eq!(accounts[0]["user"], "zoé", "{accounts}");

    let history = text(&command(&service.directory, &["history", "--json"]));
    let records: Vec<Value> =
        history.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = records
        .iter()
        .map(|record| (record["kind"].as_str().unwrap(), record["conference"].as_str().unwrap()))
        .collect();
    let expected =
        [("created", "plan"), ("created", "off"), ("locked", "plan"), ("cancelled", "off")];
    assert_eq!(told, expected, "{history}");
    assert!(records.iter().all(|record| record["by"]["uri"] == "ops"), "{history}");
    let table = text(&command(&service.directory, &["history", "plan", "--since", "1h"]));
    assert_eq!(table.lines().count(), 3, "{table}");
    assert_eq!(
        text(&command(&service.directory, &["history", "--since", "2h", "--until", "1h"])),
        ""
    );

    // A token that is taken away is good for nothing soon after.
    text(&command(&service.directory, &["token", "remove", "ops"]));
    let gone = Instant::now() + Duration::from_secs(10);
    while service.ask("GET", "/api/v1/accounts", token, &Value::Null).0 != 401 {
        assert!(Instant::now() < gone, "the token is still good");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(service);
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn wrong_arguments_are_refused_before_anything_happens() {
    let (directory, _) = Service::prepare("arguments");
    for (arguments, code) in [
        (&["history", "--since", "yesterday"][..], 2),
        (&["history", "--kind", "exploded"], 2),
        (&["history", "--cdr", "--json"], 2),
        (&["history", "--since", "1h", "--until", "2h"], 1),
        (&["token", "add", "a"], 2),
        (&["token", "add", "a", "--scope", "everything"], 2),
        (&["token", "add", "", "--scope", "history"], 1),
        (&["token", "remove", "a"], 1),
    ] {
        let refused = command(&directory, arguments);
        assert_eq!(refused.status.code(), Some(code), "{arguments:?} {refused:?}");
    }
    std::fs::remove_dir_all(directory).unwrap();
}

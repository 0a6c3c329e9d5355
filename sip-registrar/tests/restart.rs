//! The real program: what it keeps, over an orderly end and over a crash, and accounts that come and
//! go while it runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test, of a program with a clock"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use sip_stack::auth::Credentials;
use sip_stack::message::{Message, Method, Request, Response, build, parse};
use sip_stack::token::Tokens;

/// How long anything may take; nothing depends on its being short.
const PATIENCE: Duration = Duration::from_secs(60);

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 16000 RTP/AVP 0\r\n";

/// A directory with a configuration and, after a start, a database.
struct Home(PathBuf);

impl Home {
    fn new(test: &str) -> Home {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        let home = Home(directory);
        home.configure("127.0.0.1:0".parse().unwrap());
        home
    }

    /// Listening on `sip`; nobody listens where the mixer should be.
    fn configure(&self, sip: SocketAddr) {
        let text = format!(
            "[sip]\nlisten = [\"{sip}\"]\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [mixer]\naddress = \"127.0.0.1:9\"\n[registration]\nmin_expires = 1\n\
             [store]\npath = \"{}\"\n[[accounts]]\nuser = \"bob\"\npassword = \"builder\"\n",
            self.database().display()
        );
        std::fs::write(self.0.join("registrar.toml"), text).unwrap();
    }

    fn database(&self) -> PathBuf {
        self.0.join("state/registrar.db")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sip-registrar"));
        command.arg("--config").arg(self.0.join("registrar.toml")).env("RUST_LOG", "info");
        command
    }

    /// `sip-registrar account …` with this on standard input.
    fn account(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command();
        command.arg("account").args(arguments).stdin(Stdio::piped());
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn kept(&self) -> i64 {
        let database = rusqlite::Connection::open(self.database()).unwrap();
        database.query_row("SELECT count(*) FROM bindings", [], |row| row.get(0)).unwrap()
    }
}

/// A running registrar; killed when dropped.
struct Service {
    child: Child,
    sip: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Service {
    fn start(home: &Home) -> Service {
        let mut child = home.command().stderr(Stdio::piped()).spawn().expect("the program");
        let log = BufReader::new(child.stderr.take().unwrap());
        let (found, address) = mpsc::channel();
        let said = Arc::new(Mutex::new(String::new()));
        let lines = Arc::clone(&said);
        std::thread::spawn(move || {
            // Reads on, for a full pipe would stop the service.
            for line in log.lines().map_while(Result::ok) {
                *lines.lock().unwrap() += &format!("{line}\n");
                if let Some((_, rest)) = line.split_once("SIP on ") {
                    let _ = found.send(rest.split(',').next().unwrap().parse().unwrap());
                }
            }
        });
        let sip = address.recv_timeout(PATIENCE).expect("it says where it listens");
        Service { child, sip, log: said }
    }

    fn end(mut self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A phone on a real socket.
struct Phone {
    socket: UdpSocket,
    user: &'static str,
    password: &'static str,
    cseq: u32,
}

impl Phone {
    fn new(user: &'static str, password: &'static str) -> Phone {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        Phone { socket, user, password, cseq: 0 }
    }

    fn request(&mut self, method: &str, uri: &str, to: &str, rest: &str, body: &str) -> Request {
        self.cseq += 1;
        let (user, cseq) = (self.user, self.cseq);
        let at = self.socket.local_addr().unwrap();
        let port = at.port();
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{port}-{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@127.0.0.1>;tag=t{port}\r\nTo: <{to}>\r\n\
             Call-ID: {port}-{method}\r\nCSeq: {cseq} {method}\r\nContact: <sip:{user}@{at}>\r\n\
             {rest}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        match parse::message(&Bytes::from(text)) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    /// The final response, having answered a challenge.
    fn ask(
        &mut self,
        server: SocketAddr,
        method: &str,
        user: &str,
        rest: &str,
        body: &str,
    ) -> Response {
        let to = format!("sip:{user}@127.0.0.1");
        let uri = if method == "REGISTER" { "sip:127.0.0.1" } else { to.as_str() };
        let request = self.request(method, uri, &to, rest, body);
        let response = self.exchange(server, &request);
        if response.status != 401 || self.password.is_empty() {
            return response;
        }
        if method == "INVITE" {
            let ack = build::ack_for_failure(&request, &response);
            self.socket.send_to(&ack.to_bytes(), server).unwrap();
        }
        let mut request = self.request(method, uri, &to, rest, body);
        let mut credentials = Credentials::new(self.user, self.password);
        credentials.answer(&response, &mut request, &mut Tokens::new([3; 32])).unwrap();
        self.exchange(server, &request)
    }

    /// Sends until there is a response; provisional ones count for INVITE.
    fn exchange(&self, server: SocketAddr, request: &Request) -> Response {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            self.socket.send_to(&request.to_bytes(), server).unwrap();
            while let Some(message) = self.receive() {
                let Message::Response(response) = message else { continue };
                let same = response.headers.cseq() == request.headers.cseq();
                if same && (response.status >= 200 || response.status == 180) {
                    return response;
                }
            }
            if request.method == Method::Invite {
                break;
            }
        }
        build::response_to(request, 100, "", None)
    }

    fn receive(&self) -> Option<Message> {
        let mut buffer = vec![0; 65_536];
        let (n, _) = self.socket.recv_from(&mut buffer).ok()?;
        parse::message(&Bytes::copy_from_slice(&buffer[..n])).ok()
    }

    fn register(&mut self, server: SocketAddr, expires: &str) -> u16 {
        let user = self.user;
        self.ask(server, "REGISTER", user, &format!("Expires: {expires}\r\n"), "").status
    }

    /// What OPTIONS to a user says: 200 registered, 480 not.
    fn options(&mut self, server: SocketAddr, user: &str) -> u16 {
        self.ask(server, "OPTIONS", user, "", "").status
    }
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn registrations_survive(test: &str, signal: Signal) {
    let home = Home::new(test);
    let added = home.account(&["add", "alice", "--name", "Alice L."], "wonderland\n");
    assert!(added.status.success(), "{added:?}");
    let service = Service::start(&home);
    let server = service.sip;
    home.configure(server);
    let mut alice = Phone::new("alice", "wonderland");
    assert_eq!(alice.register(server, "600"), 200);
    // The answer does not wait for the disk.
    eventually("the registration is kept", || home.kept() == 1);
    service.end(signal);

    let service = Service::start(&home);
    assert_eq!(service.sip, server);
    let mut bob = Phone::new("bob", "builder");
    assert_eq!(bob.options(server, "alice"), 200);
    let sdp = "Content-Type: application/sdp\r\n";
    let asked = bob.ask(server, "INVITE", "alice", sdp, OFFER);
    assert_eq!(asked.status, 100, "it rings, and nobody answers");
    eventually(
        "the INVITE reaches the phone",
        || matches!(alice.receive(), Some(Message::Request(r)) if r.method == Method::Invite),
    );
    // The phone goes on as if nothing had happened: same Call-ID, next CSeq.
    assert_eq!(alice.register(server, "0"), 200);
    assert_eq!(bob.options(server, "alice"), 480);
    eventually("the end is kept too", || home.kept() == 0);
}

#[test]
fn registrations_survive_an_orderly_restart() {
    registrations_survive("orderly", Signal::TERM);
}

#[test]
fn registrations_survive_a_crash() {
    registrations_survive("crash", Signal::KILL);
}

#[test]
fn a_registration_that_ended_meanwhile_is_not_revived() {
    let home = Home::new("ended");
    let service = Service::start(&home);
    let server = service.sip;
    home.configure(server);
    let mut bob = Phone::new("bob", "builder");
    assert_eq!(bob.register(server, "2"), 200);
    eventually("the registration is kept", || home.kept() == 1);
    service.end(Signal::KILL);
    std::thread::sleep(Duration::from_secs(2));
    let service = Service::start(&home);
    assert_eq!(Phone::new("bob", "builder").options(service.sip, "bob"), 480);
    eventually("it is forgotten", || home.kept() == 0);
}

#[test]
fn accounts_come_and_go_while_it_runs() {
    let home = Home::new("accounts");
    let service = Service::start(&home);
    let server = service.sip;
    let mut carol = Phone::new("carol", "first");
    assert_eq!(carol.register(server, "600"), 401);
    assert!(home.account(&["add", "carol", "--password-file", "-"], "first\r\n").status.success());
    eventually("carol may register", || carol.register(server, "600") == 200);
    let again = home.account(&["add", "carol"], "other\n");
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("has an account"), "{again:?}");

    assert!(home.account(&["passwd", "carol"], "second\n").status.success());
    eventually("the old password is no good", || carol.register(server, "600") == 401);
    carol.password = "second";
    assert_eq!(carol.register(server, "600"), 200);

    let list = home.account(&["list"], "");
    let text = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(text.contains("bob\tconfiguration file") && text.contains("carol\t"), "{text}");
    let secrets = std::fs::read(home.database()).unwrap();
    assert!(!secrets.windows(6).any(|w| w == b"second"), "no password is kept");

    assert!(home.account(&["remove", "carol"], "").status.success());
    let mut bob = Phone::new("bob", "builder");
    // Without account the name is that of a conference, which anybody here may ask about.
    eventually("carol may not register", || carol.register(server, "600") == 401);
    assert_eq!(bob.options(server, "bob"), 480);
    eventually("her registration is gone", || home.kept() == 0);
    assert!(!home.account(&["remove", "carol"], "").status.success());
    assert!(!home.account(&["add", "bob"], "x\n").status.success(), "bob is in the file");
    assert!(!home.account(&["add", "con:ference"], "x\n").status.success());
    assert!(!home.account(&["add", "dave"], "\n").status.success(), "an empty password");
}

#[test]
fn a_store_that_cannot_be_used_ends_it_with_a_word() {
    let home = Home::new("unusable");
    std::fs::create_dir_all(home.database().parent().unwrap()).unwrap();
    std::fs::write(home.database(), "garbage ".repeat(1000)).unwrap();
    let ended = home.command().output().unwrap();
    assert_eq!(ended.status.code(), Some(74));
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(said.contains("damaged") && said.contains("registrar.db"), "{said}");

    std::fs::remove_dir_all(home.database().parent().unwrap()).unwrap();
    std::fs::write(home.database().parent().unwrap(), "a file, where a directory should be")
        .unwrap();
    let ended = home.command().output().unwrap();
    assert_eq!(ended.status.code(), Some(74));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("store.path"));

    std::fs::remove_file(home.database().parent().unwrap()).unwrap();
    let service = Service::start(&home);
    let second = home.command().output().unwrap();
    assert_eq!(second.status.code(), Some(74));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another registrar"));
    service.end(Signal::TERM);
}

#[test]
fn a_failed_login_is_the_line_that_fail2ban_knows() {
    let home = Home::new("fail2ban");
    let service = Service::start(&home);
    let mut mallory = Phone::new("mallory", "hunter2");
    assert_eq!(mallory.register(service.sip, "600"), 401);
    // docs/fail2ban/filter.d.conf looks for this, and for nothing before it but the time.
    let promised = "Z  WARN authentication failed source=127.0.0.1 transport=UDP method=REGISTER \
                    user=\"mallory\"\n";
    eventually("the line is written", || service.log.lock().unwrap().contains(promised));
    assert!(!service.log.lock().unwrap().contains("hunter2"));
}

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::process::Program;

/// How long the browser may take for one command.
const PATIENCE: Duration = Duration::from_secs(15);

/// A headless Chromium with one page, steered by its DevTools protocol over a pair of pipes.
#[derive(Debug)]
pub struct Chromium {
    _program: Program,
    commands: File,
    answers: Receiver<Value>,
    session: Option<String>,
    last: u64,
}

impl Chromium {
    /// Starts it with its files in `directory` and opens a page of this size.
    pub fn open(directory: &Path, url: &str, (width, height): (u32, u32)) -> Result<Self> {
        let [to, from] = ["chromium.in", "chromium.out"].map(|name| directory.join(name));
        let made = Command::new("mkfifo").args([&to, &from]).status()?;
        if !made.success() {
            bail!("mkfifo: {made}");
        }
        // Opened for both, a pipe does not wait for the other side.
        let both = |path: &Path| OpenOptions::new().read(true).write(true).open(path);
        let (commands, replies) = (both(&to)?, both(&from)?);
        let mut command = Command::new("sh");
        command
            .args(["-c", "in=$1; out=$2; shift 2; exec chromium \"$@\" 3<\"$in\" 4>\"$out\"", "sh"])
            .args([&to, &from])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"])
            .arg(format!("--window-size={width},{height}"))
            .arg(format!("--user-data-dir={}", directory.join("chromium").display()))
            .stdin(Stdio::null());
        let program = Program::start("chromium", &mut command, &directory.join("chromium.log"))?;
        let (sender, answers) = mpsc::channel();
        std::thread::spawn(move || {
            for message in BufReader::new(replies).split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else { continue };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self { _program: program, commands, answers, session: None, last: 0 };
        let page = json!({"url": url});
        let target = browser.call("Target.createTarget", &page)?["targetId"].clone();
        let attach = json!({"targetId": target, "flatten": true});
        let session = browser.call("Target.attachToTarget", &attach)?["sessionId"].clone();
        browser.session = session.as_str().map(str::to_owned);
        Ok(browser)
    }

    /// What an expression of JavaScript is in the page.
    pub fn evaluate(&mut self, expression: &str) -> Result<Value> {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let found = self.call("Runtime.evaluate", &asked)?;
        if let Some(error) = found.get("exceptionDetails") {
            bail!("{expression}: {error}");
        }
        Ok(found["result"]["value"].clone())
    }

    /// Waits until an expression is true; `what` names it in the error, which shows the page's text.
    pub fn wait(&mut self, what: &str, expression: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.evaluate(expression)? != Value::Bool(true) {
            if Instant::now() > deadline {
                bail!("not {what}; the page says: {}", self.evaluate("document.body.innerText")?);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Writes a picture (PNG) of the page.
    pub fn screenshot(&mut self, file: &Path) -> Result<()> {
        let picture = self.call("Page.captureScreenshot", &json!({}))?;
        let text = picture["data"].as_str().context("no picture")?;
        let mut decoder = Command::new("base64")
            .arg("-d")
            .stdin(Stdio::piped())
            .stdout(File::create(file)?)
            .spawn()?;
        decoder.stdin.take().context("a pipe")?.write_all(text.as_bytes())?;
        if !decoder.wait()?.success() {
            bail!("the picture is no base64");
        }
        Ok(())
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Result<Value> {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = serde_json::to_vec(&message)?;
        bytes.push(0);
        self.commands.write_all(&bytes)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut answer =
                self.answers.recv_timeout(left).with_context(|| format!("{method}: no answer"))?;
            if answer["id"] == self.last {
                if let Some(error) = answer.get("error") {
                    bail!("{method}: {error}");
                }
                return Ok(answer["result"].take());
            }
        }
    }
}

//! Conference control (RFC 6503): requests as text in, responses as text out. Who asks was proved before,
//! by digest or token; what the request says about that (`confUserID`) proves nothing.

mod conference;
mod document;
mod people;

use std::time::Instant;

use conference_info::ConfUri;
use conference_info::ccmp::{Answer, Ask, Code, Operation, Request, Response};
use sip_stack::message::Uri;

use super::conference::{Actor, ConferenceName, Denied, Focus};
use super::registrar::Registrar;

/// Why a request is not carried out.
#[derive(Debug)]
struct Refusal {
    code: Code,
    why: String,
}

impl Refusal {
    fn new(code: Code, why: &str) -> Self {
        Refusal { code, why: why.to_owned() }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        let code = match denied.status {
            400 => Code::BadRequest,
            // RFC 6503 §5.4: 401 is "this user may not", 403 is "nobody may".
            401 | 403 => Code::Unauthorized,
            404 | 410 => Code::NotFound,
            409 => Code::Conflict,
            486 | 503 => Code::NoResources,
            _ => Code::ServerError,
        };
        Refusal { code, why: denied.why }
    }
}

/// What is done, or why not.
type Outcome = Result<Done, Refusal>;

/// What was done.
struct Done {
    answer: Answer,
    conference: Option<ConferenceName>,
    version: Option<u32>,
    /// What a guest who has made a conference can show to be known again.
    secret: Option<String>,
}

impl Done {
    fn new(answer: Answer) -> Self {
        Done { answer, conference: None, version: None, secret: None }
    }
}

/// The answer to a conference control request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CcmpAnswer {
    /// The document.
    pub body: Vec<u8>,
    /// What a guest who has made a conference can show to be known again as its organizer; the document
    /// has no place for it.
    pub secret: Option<String>,
}

impl Registrar {
    /// Answers a conference control request of `actor` (RFC 6503); always with a document.
    pub fn ccmp(&mut self, now: Instant, actor: &Actor, body: &[u8]) -> CcmpAnswer {
        let request = match Request::parse(body) {
            Ok(request) => request,
            Err(error) => {
                let refusal = Refusal::new(Code::BadRequest, &error.to_string());
                let body = self.response(actor, None, Answer::Conference(None), Err(refusal));
                return CcmpAnswer { body, secret: None };
            }
        };
        let empty = match &request.ask {
            Ask::Conferences { .. } => Answer::Conferences(Vec::new()),
            Ask::Conference(_) => Answer::Conference(None),
            Ask::Users { .. } => Answer::Users(None),
            Ask::User(_) => Answer::User(None),
            Ask::Blueprints => Answer::Blueprints,
            Ask::Options => Answer::Options,
            Ask::Other(_) => Answer::Other,
        };
        let mut outcome = self.do_ccmp(now, actor, &request);
        let secret = outcome.as_mut().ok().and_then(|done| done.secret.take());
        CcmpAnswer { body: self.response(actor, Some(&request), empty, outcome), secret }
    }

    fn do_ccmp(&mut self, now: Instant, actor: &Actor, request: &Request) -> Outcome {
        match &request.ask {
            Ask::Conferences { filtered } => self.list_conferences(now, actor, request, *filtered),
            Ask::Conference(wish) => self.control_conference(now, actor, request, wish.as_deref()),
            Ask::Users { changes } => self.control_users(actor, request, *changes),
            Ask::User(user) => self.control_user(now, actor, request, user.as_deref()),
            // Conferences are made without.
            Ask::Blueprints => Ok(Done::new(Answer::Blueprints)),
            Ask::Options => Ok(Done::new(Answer::Options)),
            Ask::Other(name) => {
                Err(Refusal::new(Code::NotImplemented, &format!("{name} is not known here")))
            }
        }
    }

    /// The conferences that the actor may find (RFC 6503 §5.3.2).
    fn list_conferences(
        &self,
        now: Instant,
        actor: &Actor,
        request: &Request,
        filtered: bool,
    ) -> Outcome {
        if request.conference_id.is_some() || request.operation.is_some() {
            let why = "confObjID and operation have no place in a confsRequest";
            return Err(Refusal::new(Code::BadRequest, why));
        }
        if filtered {
            return Err(Refusal::new(Code::NotImplemented, "there are no XPath filters here"));
        }
        let listed = self.meetings(now, actor).into_iter().map(|meeting| {
            let title =
                if meeting.subject.is_empty() { meeting.name.to_string() } else { meeting.subject };
            ConfUri { uri: self.xcon_uri(&meeting.name), display_text: Some(title), purpose: None }
        });
        Ok(Done::new(Answer::Conferences(listed.collect())))
    }

    /// The conference that is meant, if the actor may see it: what is hidden is not there.
    fn meant_conference(
        &self,
        actor: &Actor,
        request: &Request,
    ) -> Result<(ConferenceName, &Focus), Refusal> {
        let id = request.conference_id.as_deref();
        let id = id.ok_or_else(|| Refusal::new(Code::BadRequest, "confObjID is missing"))?;
        let none = || Refusal::new(Code::NotFound, "there is no such conference");
        let name = name_of(id).ok_or_else(none)?;
        let focus = self.directory.get(&name).filter(|focus| focus.is_listed_for(actor));
        Ok((name, focus.ok_or_else(none)?))
    }

    fn response(
        &self,
        actor: &Actor,
        request: Option<&Request>,
        empty: Answer,
        outcome: Result<Done, Refusal>,
    ) -> Vec<u8> {
        let asked = request.and_then(|request| request.conference_id.clone());
        let operation: Option<Operation> = request.and_then(|request| request.operation);
        let user_id = match request.and_then(|request| request.user_id.clone()) {
            Some(id) => id,
            None => self.user_id(actor),
        };
        let mut response = Response {
            user_id,
            conference_id: asked,
            operation,
            code: Code::Success,
            text: None,
            version: None,
            answer: empty,
        };
        match outcome {
            Ok(done) => {
                if let Some(name) = &done.conference {
                    response.conference_id = Some(self.xcon_uri(name));
                }
                response.version = done.version;
                response.answer = done.answer;
            }
            Err(refusal) => {
                response.code = refusal.code;
                response.text = Some(refusal.why);
            }
        }
        response.to_xml().into_bytes()
    }

    /// `xcon:NAME@HOST` (RFC 6501 §4.1).
    fn xcon_uri(&self, name: &ConferenceName) -> String {
        self.other_scheme("xcon", name.as_str())
    }

    /// `xcon-userid:USER@HOST` (RFC 6501 §4.6.5).
    fn user_id(&self, actor: &Actor) -> String {
        let (Actor::Operator(user) | Actor::Account(user) | Actor::Guest { user, .. }) = actor;
        self.other_scheme("xcon-userid", user)
    }

    fn other_scheme(&self, scheme: &str, user: &str) -> String {
        let uri = Uri::sip(Some(user), self.home(None).host, None).to_string();
        format!("{scheme}:{}", uri.strip_prefix("sip:").unwrap_or(&uri))
    }
}

/// The user part of an identifier, whatever its scheme: `xcon:`, `xcon-userid:`, `sip:`.
fn user_of(id: &str) -> Option<String> {
    let (_, rest) = id.split_once(':')?;
    Uri::parse(&format!("sip:{rest}"))?.user_text().filter(|user| !user.is_empty())
}

fn name_of(id: &str) -> Option<ConferenceName> {
    ConferenceName::parse(&user_of(id)?)
}

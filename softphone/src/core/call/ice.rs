//! ICE in the descriptions of a call (RFC 8839): our credentials, when they change, and who controls.

use sdp::attribute::candidate::Candidate;
use sdp::negotiate::{LocalIce, LocalTransport, NegotiatedLine, RemoteIce};
use sip_stack::token::Tokens;

/// What a call that does ICE is given.
pub struct IceConfig {
    /// For credentials: from a generator nobody can predict.
    pub seed: [u8; 32],
    /// Where each line is reached, in the order of the lines; a line without any does no ICE.
    pub candidates: Vec<Vec<Candidate>>,
}

/// What was agreed on about ICE on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceTerms {
    /// Our side.
    pub local: LocalIce,
    /// The peer's side.
    pub remote: RemoteIce,
    /// Whether we choose the way (RFC 8445 §6.1.1).
    pub controlling: bool,
}

/// User name fragment and password.
#[derive(Clone, PartialEq, Eq)]
struct Credentials {
    ufrag: String,
    pwd: String,
}

/// One line.
#[derive(Default)]
struct Side {
    candidates: Vec<Candidate>,
    terms: Option<IceTerms>,
    /// What our offer that waits for its answer says.
    offered: Option<Credentials>,
}

/// Our side of ICE, by line.
pub(super) struct Sides {
    tokens: Tokens,
    sides: Vec<Side>,
}

impl std::fmt::Debug for Sides {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sides").field("lines", &self.sides.len()).finish_non_exhaustive()
    }
}

impl Sides {
    pub(super) fn new(config: IceConfig) -> Self {
        let side = |candidates| Side { candidates, ..Side::default() };
        let sides = config.candidates.into_iter().map(side).collect();
        Self { tokens: Tokens::new(config.seed), sides }
    }

    /// Our side for an offer. A running session keeps its credentials unless it is to `restart` (RFC 8445 §9).
    pub(super) fn offer(
        &mut self,
        line: usize,
        local: LocalTransport,
        restart: bool,
    ) -> LocalTransport {
        let Some(side) = self.sides.get_mut(line) else { return local };
        let credentials = match &side.terms {
            Some(terms) if !restart => Credentials::of(terms),
            _ => Credentials::new(&mut self.tokens),
        };
        let local = side.describe(local, &credentials);
        side.offered = Some(credentials);
        local
    }

    /// Our offer came to nothing.
    pub(super) fn withdraw(&mut self) {
        self.sides.iter_mut().for_each(|side| side.offered = None);
    }

    /// The peer has answered our offer.
    pub(super) fn answered(&mut self, lines: &[NegotiatedLine]) {
        for (side, line) in self.sides.iter_mut().zip(lines) {
            let remote = line.accepted().and_then(|media| media.ice.clone());
            let offered = side.offered.take();
            side.terms =
                remote.zip(offered).map(|(remote, offered)| side.agree(offered, remote, true));
        }
    }

    /// We answer the peer's offer, of which this is what we agree to. A peer that has new credentials restarts the
    /// session, and so do we (RFC 8839 §4.4.1.1.1).
    pub(super) fn answer(&mut self, lines: &[NegotiatedLine]) {
        for (side, line) in self.sides.iter_mut().zip(lines) {
            side.offered = None;
            let Some(remote) = line.accepted().and_then(|media| media.ice.clone()) else {
                side.terms = None;
                continue;
            };
            let credentials = match &side.terms {
                Some(terms) if is_same(&terms.remote, &remote) => Credentials::of(terms),
                _ => Credentials::new(&mut self.tokens),
            };
            side.terms = Some(side.agree(credentials, remote, false));
        }
    }

    /// Our side for the answer.
    pub(super) fn in_answer(&self, line: usize, local: LocalTransport) -> LocalTransport {
        let side = self.sides.get(line);
        match side.and_then(|side| Some((side, side.terms.as_ref()?))) {
            Some((side, terms)) => side.describe(local, &Credentials::of(terms)),
            None => local,
        }
    }

    /// What is in force on a line.
    pub(super) fn terms(&self, line: usize) -> Option<&IceTerms> {
        self.sides.get(line)?.terms.as_ref()
    }
}

impl Side {
    fn describe(&self, local: LocalTransport, credentials: &Credentials) -> LocalTransport {
        if self.candidates.is_empty() {
            return local;
        }
        local.with_ice(self.local(credentials))
    }

    fn local(&self, credentials: &Credentials) -> LocalIce {
        let Credentials { ufrag, pwd } = credentials.clone();
        LocalIce { ufrag, pwd, lite: false, candidates: self.candidates.clone() }
    }

    fn agree(&self, ours: Credentials, remote: RemoteIce, we_offered: bool) -> IceTerms {
        // Who is full controls who is lite. Else the offerer does; a restart keeps the roles, for which the peer must
        // be the one it was. If it is not, as after a re-INVITE of a third party, both may think that they control:
        // the checks sort that out (RFC 8445 §7.3.1.1).
        let before = self.terms.as_ref().filter(|terms| !terms.remote.lite);
        let controlling = remote.lite || before.map_or(we_offered, |terms| terms.controlling);
        IceTerms { local: self.local(&ours), remote, controlling }
    }
}

impl Credentials {
    /// 40 and 128 random bits: RFC 8445 §5.3 asks for 24 and 128.
    fn new(tokens: &mut Tokens) -> Self {
        Self { ufrag: tokens.hex(5), pwd: tokens.hex(16) }
    }

    fn of(terms: &IceTerms) -> Self {
        Self { ufrag: terms.local.ufrag.clone(), pwd: terms.local.pwd.clone() }
    }
}

/// Whether this is the session it was.
fn is_same(one: &RemoteIce, other: &RemoteIce) -> bool {
    one.ufrag == other.ufrag && one.pwd == other.pwd
}

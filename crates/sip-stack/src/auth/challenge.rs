//! The server's side: challenges, and whether an answer is right.
//!
//! A nonce is `time serial mac` in hexadecimal, so nothing is stored until a client has proved that
//! it knows a password; then the counts it has used are, which stops replay (RFC 7616 §3.3, §5.12).

use super::digest::{Algorithm, Asked, Count, Ha1};
use crate::message::{AuthParams, Request, Uri};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;

/// How long a nonce lives. Clients get `stale=true` after that and go on without asking their user.
pub const NONCE_LIFE: Duration = Duration::from_secs(300);

/// How many nonces in use are remembered. When there are more, the oldest become stale.
const MAX_NONCES: usize = 10_000;

/// How the User-Agent of clients begins that cannot read a 401 with a challenge of another algorithm
/// beside MD5, in whatever order (RFC 8760 §2.4 says how they should). Seen with Debian's
/// baresip 1.0.0, which then never registers and never calls, and its SIPp 3.6.1, which aborts.
const MD5_ONLY: [&str; 3] = ["baresip v0.", "baresip v1.", "SIPp"];

/// What became of a request's credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They are right.
    Ok {
        /// The `username` they were made for.
        user: String,
    },
    /// There are none for our realm. Challenge.
    Missing,
    /// They are right, but the nonce is too old or was used before. Challenge with `stale=true`.
    Stale,
    /// They are wrong, whether by user or by password. Challenge, or answer 403.
    Wrong,
}

/// Makes challenges and checks answers for one realm.
#[derive(Debug)]
pub struct Challenger {
    realm: String,
    algorithms: Vec<Algorithm>,
    secret: [u8; 32],
    /// Time zero of our nonces.
    epoch: Instant,
    serial: u64,
    used: BTreeMap<u64, Counts>,
    /// Nonces with a lower serial that are not in `used` are stale, since their counts are forgotten.
    floor: u64,
}

impl Challenger {
    /// A challenger for `realm`, which must never change: stored [`Ha1`]s contain it. `algorithms` are
    /// offered in that order, so the strongest comes first (RFC 8760 §2.4). `secret` comes from the
    /// system's random numbers; nonces made with another one are stale.
    pub fn new(
        now: Instant,
        realm: &str,
        algorithms: &[Algorithm],
        secret: [u8; 32],
    ) -> Challenger {
        Challenger {
            realm: realm.to_owned(),
            algorithms: algorithms.to_vec(),
            secret,
            epoch: now,
            serial: 0,
            used: BTreeMap::new(),
            floor: 0,
        }
    }

    /// The realm.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The challenges to `request`, one WWW-Authenticate header each, in order, with a new nonce.
    ///
    /// A client known to give up at the sight of any algorithm but MD5 gets that one alone, if it is
    /// offered at all. Whoever claims to be such a client weakens nobody's login but its own, and not
    /// by more than choosing MD5 would.
    pub fn challenges(&mut self, now: Instant, request: &Request, stale: bool) -> Vec<AuthParams> {
        self.challenges_to(now, request.headers.get("User-Agent").unwrap_or_default(), stale)
    }

    /// The same for a client of which only the User-Agent is known: one that speaks HTTP.
    pub fn challenges_to(&mut self, now: Instant, agent: &str, stale: bool) -> Vec<AuthParams> {
        self.serial += 1;
        let nonce = self.nonce(self.age(now), self.serial);
        let challenge = |algorithm: &Algorithm| {
            let params = AuthParams::new("Digest")
                .quoted("realm", &self.realm)
                .quoted("nonce", &nonce)
                .token("algorithm", algorithm.as_str())
                .quoted("qop", "auth");
            if stale { params.token("stale", "true") } else { params }
        };
        let old = self.algorithms.contains(&Algorithm::Md5)
            && MD5_ONLY.iter().any(|client| agent.starts_with(client));
        let wanted = |a: &&Algorithm| !old || **a == Algorithm::Md5;
        self.algorithms.iter().filter(wanted).map(challenge).collect()
    }

    /// Checks the Authorization of `request`. `lookup` gives the stored secret of a user.
    ///
    /// An unknown user costs the same as a wrong password and looks the same. Do not ask for ACK and
    /// CANCEL: they cannot be challenged (RFC 3261 §22.1).
    pub fn verify(
        &mut self,
        now: Instant,
        request: &Request,
        lookup: impl FnOnce(&str, Algorithm) -> Option<Ha1>,
    ) -> Verdict {
        let all = request.headers.auth("Authorization");
        let is_for = |asked: &str| is_for(asked, &request.uri);
        self.verify_one(now, request.method.as_str(), is_for, &all, lookup)
    }

    /// Checks the value of the Authorization header of an HTTP request with this method and request
    /// target (RFC 7616 §3.4), for those who have the same account there.
    pub fn verify_http(
        &mut self,
        now: Instant,
        (method, target): (&str, &str),
        authorization: &str,
        lookup: impl FnOnce(&str, Algorithm) -> Option<Ha1>,
    ) -> Verdict {
        let credentials = Vec::from_iter(AuthParams::parse(authorization));
        self.verify_one(now, method, |asked| asked == target, &credentials, lookup)
    }

    fn verify_one(
        &mut self,
        now: Instant,
        method: &str,
        is_for: impl FnOnce(&str) -> bool,
        all: &[AuthParams],
        lookup: impl FnOnce(&str, Algorithm) -> Option<Ha1>,
    ) -> Verdict {
        let ours = all.iter().find(|a| {
            a.scheme.eq_ignore_ascii_case("Digest") && a.get("realm") == Some(&self.realm)
        });
        let Some(credentials) = ours else { return Verdict::Missing };
        self.check(now, method, is_for, credentials, lookup).unwrap_or(Verdict::Wrong)
    }

    fn check(
        &mut self,
        now: Instant,
        method: &str,
        is_for: impl FnOnce(&str) -> bool,
        credentials: &AuthParams,
        lookup: impl FnOnce(&str, Algorithm) -> Option<Ha1>,
    ) -> Option<Verdict> {
        let algorithm = Algorithm::from_name(credentials.get("algorithm").unwrap_or("MD5"))?;
        if !self.algorithms.contains(&algorithm) {
            return None;
        }
        let user = credentials.get("username")?;
        let nonce = credentials.get("nonce")?;
        let count = match credentials.get("qop") {
            Some(qop) if qop.eq_ignore_ascii_case("auth") => {
                let cnonce = credentials.get("cnonce")?;
                Some(Count { nc: credentials.get("nc")?, cnonce })
            }
            Some(_) => return None,
            // only phones older than RFC 2617 leave it out, and they know no SHA
            None if algorithm == Algorithm::Md5 => None,
            None => return None,
        };
        let nc = match &count {
            Some(Count { nc, .. }) if nc.len() == 8 => Some(u32::from_str_radix(nc, 16).ok()?),
            Some(_) => return None,
            None => None,
        };
        let asked_uri = credentials.get("uri")?;
        let asked = Asked { method, uri: asked_uri, nonce, count };
        let ha1 = lookup(user, algorithm).filter(|ha1| ha1.algorithm() == algorithm);
        // made in any case and compared like any other, so that an unknown user takes as long
        let nobody = Ha1::from_password(algorithm, user, &self.realm, &hex::encode(self.secret));
        let known = ha1.is_some();
        let ha1 = ha1.unwrap_or(nobody);
        let right = ha1.matches(&asked, credentials.get("response")?);
        if !(right && known && is_for(asked_uri)) {
            return None;
        }
        let fresh = self.open(now, nonce).is_some_and(|serial| self.count(serial, nc));
        Some(if fresh { Verdict::Ok { user: user.to_owned() } } else { Verdict::Stale })
    }

    fn age(&self, now: Instant) -> u64 {
        let millis = now.saturating_duration_since(self.epoch).as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX)
    }

    fn nonce(&self, time: u64, serial: u64) -> String {
        let mac = self.mac(time, serial);
        format!("{time:016x}{serial:016x}{}", hex::encode(mac.get(..16).unwrap_or(&mac)))
    }

    /// HMAC-SHA-256 (RFC 2104) of time and serial; a 32-byte key is padded with zeros to 64.
    fn mac(&self, time: u64, serial: u64) -> [u8; 32] {
        let pad = |with: u8| {
            let mut block = [with; 64];
            block.iter_mut().zip(self.secret).for_each(|(b, k)| *b ^= k);
            Sha256::new().chain_update(block)
        };
        let inner = pad(0x36).chain_update(time.to_be_bytes()).chain_update(serial.to_be_bytes());
        pad(0x5c).chain_update(inner.finalize()).finalize().into()
    }

    /// The serial of a nonce that we made and that is not too old.
    fn open(&self, now: Instant, nonce: &str) -> Option<u64> {
        let time = u64::from_str_radix(nonce.get(..16)?, 16).ok()?;
        let serial = u64::from_str_radix(nonce.get(16..32)?, 16).ok()?;
        let ours: bool = self.nonce(time, serial).as_bytes().ct_eq(nonce.as_bytes()).into();
        let age = Duration::from_millis(self.age(now).checked_sub(time)?);
        (ours && age <= NONCE_LIFE).then_some(serial)
    }

    /// Notes that count `nc` of a nonce is used; false if it was before, or if that is forgotten.
    fn count(&mut self, serial: u64, nc: Option<u32>) -> bool {
        let counts = match self.used.get_mut(&serial) {
            Some(counts) => counts,
            None if serial < self.floor => return false,
            None => self.used.entry(serial).or_default(),
        };
        let new = counts.take(nc);
        while self.used.len() > MAX_NONCES {
            if let Some((oldest, _)) = self.used.pop_first() {
                self.floor = self.floor.max(oldest + 1);
            }
        }
        new
    }
}

/// Whether credentials made for `asked` may be used for a request to `uri`: user and host must be
/// the same. Ports and parameters differ between honest clients and outbound proxies. No user at all
/// names the whole server, which RFC 3261 §22.4 no. 6 permits and SIPp sends for every method.
fn is_for(asked: &str, uri: &Uri) -> bool {
    Uri::parse(asked).is_some_and(|asked| {
        (asked.user.is_none() || asked.user == uri.user)
            && asked.host == uri.host
            && asked.opaque == uri.opaque
    })
}

/// The counts used with one nonce. Requests of one client may overtake each other on UDP, so the last
/// 64 counts are told apart.
#[derive(Debug, Default)]
struct Counts {
    highest: u32,
    /// Bit n: `highest - n` was used.
    seen: u64,
    /// Used without `qop`: then it is good for one request only.
    spent: bool,
}

impl Counts {
    fn take(&mut self, nc: Option<u32>) -> bool {
        let Some(nc) = nc else {
            let new = !self.spent && self.highest == 0;
            self.spent = true;
            return new;
        };
        if self.spent || nc == 0 {
            return false;
        }
        if nc > self.highest {
            self.seen = self.seen.checked_shl(nc - self.highest).unwrap_or(0) | 1;
            self.highest = nc;
            return true;
        }
        let bit = 1u64.checked_shl(self.highest - nc).unwrap_or(0);
        let new = bit != 0 && self.seen & bit == 0;
        self.seen |= bit;
        new
    }
}

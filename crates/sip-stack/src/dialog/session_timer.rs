//! Session timer (RFC 4028): both sides agree on an interval and on who refreshes; without refresh
//! the call ends.

use std::time::{Duration, Instant};

use super::CallTimer;
use super::call::{Change, Stage};
use crate::endpoint::{CallId, EndReason, Endpoint, SessionTimerConfig};
use crate::message::{Headers, Method, Reason, Response};

/// What has been agreed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionTimer {
    /// The interval in seconds; `None` = no session timer.
    pub(super) interval: Option<u32>,
    pub(super) we_refresh: bool,
    /// Whether the peer knows of it. If not, we refresh to see that it is still there.
    pub(super) agreed: bool,
    /// The largest Min-SE a 422 told us.
    pub(super) min_se: u32,
    /// How often a 422 has raised it.
    raised: u8,
}

/// How often a 422 may raise the interval: once by each proxy on the way and by the peer. More would
/// be somebody who keeps us sending.
const MAX_RAISES: u8 = 5;

impl SessionTimer {
    fn floor(&self, config: &SessionTimerConfig) -> u32 {
        config.min_se.max(self.min_se).max(90)
    }

    fn wanted(&self, config: &SessionTimerConfig) -> u32 {
        self.interval.unwrap_or(config.expires).max(self.floor(config))
    }

    /// Puts our wish into an INVITE, re-INVITE or UPDATE.
    pub(crate) fn ask(&self, config: Option<&SessionTimerConfig>, headers: &mut Headers) {
        let Some(config) = config else { return };
        let floor = self.floor(config);
        let expires = self.wanted(config);
        // Once agreed, the roles stay (RFC 4028 §7.4); at first the peer may choose.
        let refresher = match (self.interval, self.we_refresh) {
            (None, _) => "",
            (Some(_), true) => ";refresher=uac",
            (Some(_), false) => ";refresher=uas",
        };
        headers.insert("Session-Expires", format!("{expires}{refresher}"));
        headers.insert("Min-SE", floor);
    }

    /// Agrees as the server of a request with `headers` (RFC 4028 §9), and puts the agreement into
    /// our 2xx.
    pub(crate) fn answer(
        &mut self,
        config: Option<&SessionTimerConfig>,
        headers: &Headers,
        response: &mut Headers,
    ) {
        let Some(config) = config else { return };
        // Less than 90 s nobody may ask for (RFC 4028 §5); who knows the extension got 422 for it.
        let asked = headers.session_expires().ok().flatten().filter(|(seconds, _)| *seconds >= 90);
        let their_floor = headers.min_se().ok().flatten().unwrap_or(90).max(90);
        let ours = config.expires.max(their_floor).max(config.min_se);
        let (interval, we_refresh) = match asked {
            Some((seconds, value)) => {
                // Without the extension the peer cannot refresh: a proxy asked for the timer, and
                // whatever it says of the refresher does not help (Table 2).
                let by_peer = headers.list_has("Supported", "timer")
                    && !value
                        .params
                        .get("refresher")
                        .is_some_and(|r| r.eq_ignore_ascii_case("uas"));
                (seconds.min(ours), !by_peer)
            }
            // The peer has no session timer, so the refreshing is on us.
            None => (self.interval.unwrap_or(ours).max(their_floor), true),
        };
        self.interval = Some(interval);
        self.we_refresh = we_refresh;
        self.agreed = headers.list_has("Supported", "timer");
        let refresher = if we_refresh { "uas" } else { "uac" };
        response.insert("Session-Expires", format!("{interval};refresher={refresher}"));
        if self.agreed {
            // If we refresh, only a SHOULD; but so the client knows when to give us up.
            response.push("Require", "timer");
        }
    }

    /// Agrees as the client, from the 2xx (RFC 4028 §7.2). A peer without session timer does not
    /// keep us from refreshing.
    pub(super) fn accept(&mut self, config: Option<&SessionTimerConfig>, headers: &Headers) {
        let agreed = headers.session_expires().ok().flatten();
        self.agreed = agreed.is_some();
        match (config, agreed) {
            (None, _) => self.interval = None,
            (Some(config), None) => {
                self.interval = Some(self.wanted(config));
                self.we_refresh = true;
            }
            (Some(_), Some((seconds, value))) => {
                self.interval = Some(seconds.max(90));
                let refresher = value.params.get("refresher");
                self.we_refresh = refresher.is_none_or(|who| who.eq_ignore_ascii_case("uac"));
            }
        }
    }

    /// Takes the Min-SE of a 422; `None` if it asks for no more than was asked before, or too often.
    pub(crate) fn raise(&mut self, response: &Response) -> Option<()> {
        let wanted = response.headers.min_se().ok().flatten()?;
        let more = response.status == 422 && wanted > self.min_se.max(90);
        (more && self.raised < MAX_RAISES).then_some(())?;
        self.min_se = wanted;
        self.raised += 1;
        Some(())
    }

    /// When to refresh and when to give up, from now.
    fn delays(&self) -> Option<(Option<Duration>, Duration)> {
        let interval = Duration::from_secs(self.interval?.into());
        let refresh = self.we_refresh.then_some(interval / 2);
        Some((refresh, interval - (interval / 3).min(Duration::from_secs(32))))
    }
}

/// The Min-SE to answer with 422, if the interval asked for is too small (RFC 4028 §9).
pub(crate) fn too_small(config: Option<&SessionTimerConfig>, headers: &Headers) -> Option<u32> {
    let floor = config?.min_se.max(90);
    let (seconds, _) = headers.session_expires().ok().flatten()?;
    // A client without the extension could not understand 422 (a proxy put the header in).
    (seconds < floor && headers.list_has("Supported", "timer")).then_some(floor)
}

impl Endpoint {
    /// Starts the timers anew after a 2xx to INVITE or UPDATE, in either direction.
    pub(crate) fn restart_session_timer(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        self.call_timers.stop((id, CallTimer::Refresh));
        self.call_timers.stop((id, CallTimer::Expire));
        let Some((refresh, expire)) = call.timer.delays() else { return };
        if let Some(refresh) = refresh {
            self.call_timers.set((id, CallTimer::Refresh), now + refresh);
        }
        self.call_timers.set((id, CallTimer::Expire), now + expire);
    }

    /// Time to refresh: UPDATE without body if the peer takes it, else a re-INVITE with our last
    /// description unchanged (RFC 4028 §7.4).
    pub(crate) fn refresh_session(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.stage != Stage::Established {
            return;
        }
        let by_update = call.peer_allows(&Method::Update);
        if !call.is_quiet() {
            // Whatever is under way refreshes the session itself if it succeeds.
            self.call_timers.set((id, CallTimer::Refresh), now + Duration::from_secs(5));
            return;
        }
        let (method, body) = if by_update {
            (Method::Update, None)
        } else {
            (Method::Invite, call.local_body.clone())
        };
        let Some(dialog) = &call.dialog else { return };
        let change = Change::new(method, body, &dialog.id);
        call.change = Some(Change { refresh: true, ..change });
        self.send_change(now, id);
    }

    /// Nobody refreshed the session.
    pub(crate) fn session_expired(&mut self, now: Instant, id: CallId) {
        let reason = Reason::sip(408, "Session Expired");
        self.terminate(now, id, EndReason::SessionExpired, Some(reason));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: SessionTimerConfig = SessionTimerConfig { expires: 1800, min_se: 90 };

    fn headers(values: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        values.iter().for_each(|(name, value)| headers.push(name, value));
        headers
    }

    fn answered(asked: &[(&str, &str)]) -> (SessionTimer, Headers) {
        let (mut timer, mut response) = (SessionTimer::default(), Headers::new());
        timer.answer(Some(&CONFIG), &headers(asked), &mut response);
        (timer, response)
    }

    #[test]
    fn the_client_refreshes_when_it_offers_the_timer() {
        let (timer, response) = answered(&[("Supported", "timer"), ("Session-Expires", "90")]);
        assert_eq!(response.get("Session-Expires"), Some("90;refresher=uac"));
        assert_eq!(response.get("Require"), Some("timer"));
        assert!(!timer.we_refresh);
        // BYE at SE - min(32 s, SE/3) (RFC 4028 §10)
        assert_eq!(timer.delays(), Some((None, Duration::from_secs(60))));
    }

    #[test]
    fn we_refresh_when_the_client_asks_us_to_or_cannot_itself() {
        let (timer, response) = answered(&[("Session-Expires", "600;refresher=uas")]);
        assert_eq!(response.get("Session-Expires"), Some("600;refresher=uas"));
        assert!(timer.we_refresh && !response.has("Require"));
        assert_eq!(
            timer.delays(),
            Some((Some(Duration::from_secs(300)), Duration::from_secs(568)))
        );
        let (timer, response) = answered(&[]);
        assert_eq!(response.get("Session-Expires"), Some("1800;refresher=uas"));
        assert!(timer.we_refresh);
    }

    #[test]
    fn an_interval_below_90_seconds_is_too_small_for_those_who_understand_so() {
        let small = [("Session-Expires", "60"), ("Supported", "timer")];
        assert_eq!(too_small(Some(&CONFIG), &headers(&small)), Some(90));
        assert_eq!(too_small(Some(&CONFIG), &headers(&small[..1])), None);
        assert_eq!(too_small(None, &headers(&small)), None);
        // Others must not make us refresh all the time, nor end the call at once.
        for tiny in ["0", "1", "89"] {
            let (timer, _) = answered(&[("Session-Expires", tiny)]);
            assert_eq!((timer.interval, timer.we_refresh), (Some(1800), true));
        }
    }

    #[test]
    fn a_422_raises_the_interval_a_bounded_number_of_times() {
        let mut timer = SessionTimer::default();
        let too_small = |min_se: u32| {
            let mut response = Response {
                status: 422,
                reason: String::new(),
                headers: Headers::new(),
                body: bytes::Bytes::new(),
            };
            response.headers.push("Min-SE", min_se);
            response
        };
        assert_eq!(timer.raise(&too_small(90)), None, "that was asked already");
        for step in 1..=5 {
            assert_eq!(timer.raise(&too_small(100 * step)), Some(()));
            assert_eq!(timer.min_se, 100 * step);
        }
        assert_eq!(timer.raise(&too_small(600)), None);
    }

    // RFC 4028 Table 2, and what it calls impossible.
    #[test]
    fn the_refresher_is_chosen_by_the_table() {
        for (supports, asked, chosen) in [
            (false, "", "uas"),
            (false, ";refresher=uac", "uas"),
            (false, ";refresher=uas", "uas"),
            (true, "", "uac"),
            (true, ";refresher=uac", "uac"),
            (true, ";refresher=uas", "uas"),
        ] {
            let expires = format!("600{asked}");
            let supported = ("Supported", if supports { "timer" } else { "" });
            let (timer, response) = answered(&[("Session-Expires", &expires), supported]);
            let expected = format!("600;refresher={chosen}");
            assert_eq!(response.get("Session-Expires"), Some(&*expected), "{supports} {asked}");
            assert_eq!(timer.we_refresh, chosen == "uas");
            // MUST if the client refreshes, SHOULD if it can give us up (§9).
            assert_eq!(response.list_has("Require", "timer"), supports);
        }
    }

    #[test]
    fn as_client_the_2xx_decides() {
        let mut timer = SessionTimer::default();
        let mut request = Headers::new();
        timer.ask(Some(&CONFIG), &mut request);
        assert_eq!(request.get("Session-Expires"), Some("1800"));
        timer.accept(Some(&CONFIG), &headers(&[("Session-Expires", "400;refresher=uas")]));
        assert_eq!((timer.interval, timer.we_refresh), (Some(400), false));
        timer.ask(Some(&CONFIG), &mut request);
        assert_eq!(request.get("Session-Expires"), Some("400;refresher=uas"));
        // a peer that knows nothing of it is refreshed by us
        timer.accept(Some(&CONFIG), &headers(&[]));
        assert_eq!((timer.interval, timer.we_refresh, timer.agreed), (Some(400), true, false));
        timer.accept(None, &headers(&[("Session-Expires", "400")]));
        assert_eq!(timer.interval, None);
    }
}

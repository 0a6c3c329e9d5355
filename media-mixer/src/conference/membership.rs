//! Joining, changing and leaving.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use mixer_control::MixerError;
use sdp::negotiate::{self, Answer, OfferLine};
use sdp::{Direction, MediaKind};

use super::sources::Sources;
use super::{Conference, NewLeg, PortUse};
use crate::join::{self, Change, Plan, Reach};
use crate::leg::{Leg, LegId, PendingOffer, Terms};
use crate::transport::check::with_ice;
use crate::transport::{Identity, PortGrant};
use crate::video::LineId;

impl Conference {
    /// What it takes to let a leg join: with an offer, or without one, to offer itself. Changes nothing. Where no offer
    /// tells it, the address family is that of `signalled_from`.
    ///
    /// # Errors
    /// [`MixerError::Exhausted`] when the conference is full, [`MixerError::Invalid`] when the leg is here already or
    /// the offer cannot be read, [`MixerError::NoCommonMedia`] when nothing of it can be accepted.
    pub fn plan_join(
        &self,
        leg: &str,
        offer: Option<&str>,
        signalled_from: Option<IpAddr>,
    ) -> Result<Plan, MixerError> {
        if self.names.contains_key(leg) {
            return Err(MixerError::Invalid(format!("leg {leg} has joined already")));
        }
        if self.legs.len() >= self.settings.max_legs {
            let most = self.settings.max_legs;
            return Err(MixerError::Exhausted(format!("the conference has {most} members")));
        }
        let reach = self.reach(signalled_from);
        match offer {
            Some(offer) => self.plan_answer(leg, None, offer, reach),
            None => Ok(join::plan_first_offer(leg, reach)),
        }
    }

    /// Lets the leg join with the ports bound for `plan`, in its order. Returns our answer, or our offer.
    ///
    /// # Errors
    /// When a codec cannot be set up; the conference is then as it was, and the ports are to be closed.
    pub fn join(
        &mut self,
        now: Instant,
        new: NewLeg,
        plan: Plan,
        granted: &[PortGrant],
    ) -> Result<String, MixerError> {
        let id = LegId(self.next_leg);
        let leg = Leg {
            name: plan.leg.clone(),
            display_name: new.display_name,
            cname: self.random.cname(),
            identity: Identity { cname: self.random.cname(), clock: self.clock },
            sip_source: new.signalled_from,
            last_heard: now,
            silence_told: None,
            told_of: None,
            muted: false,
            lobby: new.lobby,
            prompter: None,
            sources: Sources::default(),
            lines: Vec::new(),
            pending: None,
            sync: None,
        };
        self.next_leg += 1;
        self.names.insert(plan.leg.clone(), id);
        self.legs.insert(id, leg);
        let done = self.carry_out(now, id, plan, granted);
        if done.is_err() {
            self.forget(id);
        }
        done
    }

    /// What it takes to answer a new offer of a leg. Changes nothing.
    ///
    /// # Errors
    /// [`MixerError::NotFound`], and those of [`Self::plan_join`] for the offer.
    pub fn plan_reoffer(&self, leg: &str, offer: &str) -> Result<Plan, MixerError> {
        let (id, state) = self.find(leg)?;
        let reach = self.reach(state.sip_source);
        self.plan_answer(leg, Some((id, state)), offer, reach)
    }

    fn plan_answer(
        &self,
        name: &str,
        leg: Option<(LegId, &Leg)>,
        offer: &str,
        reach: Reach,
    ) -> Result<Plan, MixerError> {
        let mut answer = join::answer(offer, &self.capabilities)?;
        if self.refuse_unknown_labels(leg.map(|(id, _)| id), &mut answer) {
            return Err(join::nobody_by_that_label());
        }
        Ok(join::plan_answer(name, leg.map(|(_, leg)| leg), answer, reach))
    }

    fn reach(&self, sip_source: Option<IpAddr>) -> Reach {
        let ice = self.settings.ice.is_some();
        Reach { addresses: self.settings.addresses, sip_source, ice }
    }

    /// What it takes to make a new offer to a leg. Changes nothing.
    ///
    /// # Errors
    /// [`MixerError::NotFound`].
    pub fn plan_offer(&self, leg: &str) -> Result<Plan, MixerError> {
        let (_, state) = self.find(leg)?;
        let reach = self.reach(state.sip_source);
        Ok(match (state.lines.is_empty(), state.pending.is_some()) {
            (false, _) => join::plan_offer_again(state),
            (true, true) => join::plan_first_offer_again(state, reach),
            (true, false) => join::plan_first_offer(leg, reach),
        })
    }

    /// Carries out a plan for a leg that exists. Returns our answer, which is in effect, or our offer, which takes effect
    /// with [`Self::accept`].
    ///
    /// # Errors
    /// [`MixerError::NotFound`]; [`MixerError::Unavailable`] when a codec cannot be set up: all is then as it was.
    pub fn renegotiate(
        &mut self,
        now: Instant,
        plan: Plan,
        granted: &[PortGrant],
    ) -> Result<String, MixerError> {
        let (id, _) = self.find(&plan.leg)?;
        self.carry_out(now, id, plan, granted)
    }

    /// The member's answer to our last offer.
    ///
    /// # Errors
    /// [`MixerError::NotFound`], [`MixerError::Invalid`] when there was no offer or the answer cannot be read,
    /// [`MixerError::NoCommonMedia`] when everything was refused. The leg is then as it was.
    pub fn accept(&mut self, now: Instant, leg: &str, answer: &str) -> Result<(), MixerError> {
        let (id, state) = self.find(leg)?;
        let Some(pending) = &state.pending else {
            return Err(MixerError::Invalid("there is no offer to be answered".to_owned()));
        };
        let answer = join::parse(answer)?;
        let lines = negotiate::accept(&pending.offer, &answer).map_err(join::no_common_media)?;
        let (ports, offered) = (pending.ports.clone(), pending.credentials.clone());
        let leg = self.legs.get_mut(&id).ok_or(MixerError::NotFound)?;
        let terms = Terms { ports: &ports, offered: &offered };
        leg.agree(now, &lines, terms, &self.settings, &mut self.random, &mut self.out)?;
        leg.sources.changed = true;
        leg.drop_offer(&mut self.out);
        self.rewire(now);
        Ok(())
    }

    /// Lets a leg go. Returns whether it was there.
    pub fn leave(&mut self, now: Instant, leg: &str) -> bool {
        let Some(&id) = self.names.get(leg) else { return false };
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.drop_offer(&mut self.out);
            for (_, line) in leg.live_mut() {
                line.close(now, &mut self.out);
            }
        }
        self.tell_left(now, id);
        self.forget(id);
        self.rewire(now);
        true
    }

    /// Lets everybody go.
    pub fn end(&mut self, now: Instant) {
        for leg in self.names.keys().cloned().collect::<Vec<_>>() {
            self.leave(now, &leg);
        }
    }

    pub(super) fn find(&self, leg: &str) -> Result<(LegId, &Leg), MixerError> {
        let id = *self.names.get(leg).ok_or(MixerError::NotFound)?;
        Ok((id, self.legs.get(&id).ok_or(MixerError::NotFound)?))
    }

    fn carry_out(
        &mut self,
        now: Instant,
        id: LegId,
        plan: Plan,
        granted: &[PortGrant],
    ) -> Result<String, MixerError> {
        let ports = match_ports(&plan, granted);
        match plan.change {
            Change::Answer(answer) => self.answer(now, id, &answer, &ports),
            Change::Offer(kinds) => self.offer(id, &kinds, ports),
        }
    }

    fn answer(
        &mut self,
        now: Instant,
        id: LegId,
        answer: &Answer,
        ports: &BTreeMap<usize, PortGrant>,
    ) -> Result<String, MixerError> {
        let leg = self.legs.get_mut(&id).ok_or(MixerError::NotFound)?;
        // Spare RTCP ports of an offer of ours that is still open serve as well.
        let mut ports = ports.clone();
        for (index, grant) in leg.pending.iter().flat_map(|pending| &pending.ports) {
            if leg.line(*index).is_some() {
                ports.entry(*index).or_insert(*grant);
            }
        }
        let terms = Terms { ports: &ports, offered: &BTreeMap::new() };
        leg.agree(now, answer.lines(), terms, &self.settings, &mut self.random, &mut self.out)?;
        leg.sources.changed = true;
        // That offer is void now: both sides offered, and theirs was taken.
        leg.drop_offer(&mut self.out);
        let settings = &self.settings;
        let description = answer.describe(|line| {
            let Some(live) = leg.line(line.index) else {
                let family = settings.addresses.family_for(None);
                return join::local_transport(family, 0, settings);
            };
            let ports = live.transport.ports();
            let local = join::local_transport(ports.family, ports.number, settings);
            let local = with_ice(local, live.transport.ice_credentials());
            match live.transport.rtx_ssrc() {
                // Who takes packets again in a stream of their own wants to know which stream that is (RFC 4588 §8.8).
                Some(rtx) => local
                    .with_source(live.transport.ssrc().0, &leg.identity.cname)
                    .with_rtx_source(rtx.0),
                None => local,
            }
        });
        self.rewire(now);
        Ok(description.to_string())
    }

    fn offer(
        &mut self,
        id: LegId,
        kinds: &[MediaKind],
        mut ports: BTreeMap<usize, PortGrant>,
    ) -> Result<String, MixerError> {
        let leg = self.legs.get_mut(&id).ok_or(MixerError::NotFound)?;
        // An offer that was never answered is replaced, and its ports are used again.
        ports.extend(leg.pending.take().into_iter().flat_map(|void| void.ports));
        let mut lines = join::lines_again(leg, &self.settings);
        let mut credentials = BTreeMap::new();
        for kind in kinds {
            let unbound = (self.settings.addresses.family_for(leg.sip_source), 0);
            let granted = ports.get(&lines.len());
            let (family, number) = granted.map_or(unbound, |grant| (grant.family, grant.number));
            let local = join::local_transport(family, number, &self.settings);
            lines.push(OfferLine::new(kind.clone(), Direction::SendRecv, local));
        }
        for (index, line) in lines.iter_mut().enumerate() {
            let used = leg.line(index).and_then(|line| line.transport.ice_credentials().cloned());
            let Some(used) = used.or_else(|| self.settings.ice_credentials(&mut self.random))
            else {
                continue;
            };
            line.local = line.local.take().map(|local| with_ice(local, Some(&used)));
            credentials.insert(index, used);
        }
        join::label_offer(&mut lines);
        let offer = negotiate::offer(&lines, &self.capabilities);
        let text = offer.to_string();
        leg.pending = Some(PendingOffer { offer, ports, credentials });
        Ok(text)
    }

    /// Removes a leg from every table.
    pub(super) fn forget(&mut self, id: LegId) {
        if let Some(leg) = self.legs.remove(&id) {
            self.names.remove(&leg.name);
        }
        self.mixer.remove(id);
        self.video.remove(id);
        self.public.retain(|_, line| line.leg != id);
        self.named.retain(|leg| *leg != id);
        self.names_changed = true;
    }

    /// After the lines of some leg changed: ports, and who is shown where.
    fn rewire(&mut self, now: Instant) {
        self.ports.clear();
        for (&leg, state) in &self.legs {
            for (index, live) in state.live() {
                let line = LineId { leg, line: index };
                let ports = live.transport.ports();
                for (port, rtcp) in [(Some(ports.rtp), false), (ports.rtcp, true)] {
                    let Some(port) = port else { continue };
                    let at = port.0 as usize;
                    if self.ports.len() <= at {
                        self.ports.resize(at + 1, None);
                    }
                    self.ports[at] = Some(PortUse { line, rtcp });
                }
            }
        }
        self.names_changed = true;
        self.video.arrange(now, None, &mut self.legs, &mut self.out);
    }
}

/// Which granted port is for which m-line.
fn match_ports(plan: &Plan, granted: &[PortGrant]) -> BTreeMap<usize, PortGrant> {
    plan.needs.iter().map(|(index, _)| *index).zip(granted.iter().copied()).collect()
}

//! The dialog of a subscription of ours (RFC 6665 §4.1). Its owner keeps it, refreshes it in time and
//! answers its NOTIFYs, which come as requests outside of calls.

use super::call::target_of;
use super::id::DialogId;
use super::state::Dialog;
use crate::flow::{Flow, Target};
use crate::message::{Method, Request, Response};

/// The subscribing side of one subscription dialog.
#[derive(Debug)]
pub struct Subscriber {
    dialog: Dialog,
    /// The way its last NOTIFY came.
    flow: Option<Flow>,
}

impl Subscriber {
    /// The dialog that the 2xx `response` to our SUBSCRIBE `request` makes. `None` if the response lacks
    /// what a dialog needs.
    #[must_use]
    pub fn new(request: &Request, response: &Response) -> Option<Self> {
        Some(Subscriber { dialog: Dialog::as_client(request, response)?, flow: None })
    }

    /// Call-ID and tags.
    #[must_use]
    pub fn id(&self) -> &DialogId {
        &self.dialog.id
    }

    /// A SUBSCRIBE that refreshes or ends the subscription, without Event, Expires and Contact, to be given
    /// to [`send_request`](crate::endpoint::Endpoint::send_request) together with [`target`](Self::target).
    pub fn subscribe(&mut self) -> Request {
        self.dialog.request(Method::Subscribe)
    }

    /// Where a request in this dialog goes.
    #[must_use]
    pub fn target(&self) -> Target {
        target_of(self.flow, &self.dialog)
    }

    /// The number a request really had, after it was sent again with credentials.
    pub fn used_sequence(&mut self, number: u32) {
        self.dialog.used_sequence(number);
    }

    /// Takes a NOTIFY that came over `flow`. `None` if it is of another dialog; one that is older than
    /// what came before is of this one, but says nothing (RFC 3261 §12.2.2).
    pub fn take(&mut self, notify: &Request, flow: Flow) -> Option<Order> {
        if DialogId::of_request(notify).as_ref() != Some(&self.dialog.id) {
            return None;
        }
        let number = notify.headers.cseq().ok()?.number;
        if !self.dialog.accept_sequence(number) {
            return Some(Order::Late);
        }
        self.flow = Some(flow);
        self.dialog.refresh_target(notify.headers.contacts().ok());
        Some(Order::Next)
    }
}

/// Whether a NOTIFY came in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// It is newer than those before.
    Next,
    /// A newer one was here first: answer it 500.
    Late,
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use bytes::Bytes;

    use super::*;
    use crate::flow::Transport;
    use crate::message::{Message, parse};

    fn message(text: &str) -> Message {
        parse::message(&Bytes::from(text.replace('\n', "\r\n"))).unwrap()
    }

    fn request(text: &str) -> Request {
        match message(text) {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a request"),
        }
    }

    fn subscriber() -> Subscriber {
        let subscribe = request(
            "SUBSCRIBE sip:room@h SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\nFrom: <sip:a@h>;tag=a\n\
             To: <sip:room@h>\nCall-ID: c\nCSeq: 7 SUBSCRIBE\nEvent: conference\n\n",
        );
        let Message::Response(ok) = message(
            "SIP/2.0 200 OK\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\nFrom: <sip:a@h>;tag=a\n\
             To: <sip:room@h>;tag=b\nCall-ID: c\nCSeq: 7 SUBSCRIBE\nContact: <sip:room@10.0.0.1>\n\n",
        ) else {
            panic!("a response")
        };
        Subscriber::new(&subscribe, &ok).unwrap()
    }

    fn notify(from_tag: &str, number: u32) -> Request {
        request(&format!(
            "NOTIFY sip:a@h SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKy\nFrom: <sip:room@h>;tag={from_tag}\n\
             To: <sip:a@h>;tag=a\nCall-ID: c\nCSeq: {number} NOTIFY\nContact: <sip:room@10.0.0.2>\n\n"
        ))
    }

    #[test]
    fn a_refresh_goes_where_the_last_notify_said() {
        let local = SocketAddr::from(([10, 0, 0, 9], 5060));
        let remote = SocketAddr::from(([10, 0, 0, 2], 5060));
        let flow = Flow { transport: Transport::Udp, local, remote, connection: None };
        let mut subscriber = subscriber();
        assert_eq!(subscriber.subscribe().uri.to_string(), "sip:room@10.0.0.1");
        assert_eq!(subscriber.take(&notify("other", 1), flow), None);
        assert_eq!(subscriber.take(&notify("b", 5), flow), Some(Order::Next));
        assert_eq!(subscriber.take(&notify("b", 4), flow), Some(Order::Late));
        let again = subscriber.subscribe();
        assert_eq!(again.uri.to_string(), "sip:room@10.0.0.2");
        assert_eq!(again.headers.get("CSeq"), Some("9 SUBSCRIBE"));
        assert_eq!(again.headers.get("To"), Some("<sip:room@h>;tag=b"));
        subscriber.used_sequence(20);
        assert_eq!(subscriber.subscribe().headers.get("CSeq"), Some("21 SUBSCRIBE"));
    }
}

use super::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::Mutex;

/// DNS as a list of records, which remembers what it was asked.
#[derive(Debug, Default)]
struct Script {
    naptr: Vec<(&'static str, Naptr)>,
    srv: Vec<(&'static str, Srv)>,
    addresses: Vec<(&'static str, &'static str)>,
    asked: Mutex<Vec<String>>,
}

impl Script {
    fn naptr(mut self, name: &'static str, order: u16, service: &str, replacement: &str) -> Self {
        let [service, replacement] = [service, replacement].map(str::to_owned);
        let (flags, regexp) = ("s".to_owned(), String::new());
        let record = Naptr { order, preference: 50, flags, service, regexp, replacement };
        self.naptr.push((name, record));
        self
    }

    fn srv(mut self, name: &'static str, priority: u16, port: u16, target: &str) -> Self {
        self.srv.push((name, Srv { priority, weight: 0, port, target: target.to_owned() }));
        self
    }

    fn host(mut self, name: &'static str, address: &'static str) -> Self {
        self.addresses.push((name, address));
        self
    }

    fn find<T: Clone + Send + 'static>(
        &self,
        kind: &str,
        name: &str,
        records: &[(&'static str, T)],
    ) -> Found<'static, T> {
        self.asked.lock().unwrap().push(format!("{kind} {name}"));
        let of_name = records.iter().filter(|(owner, _)| *owner == name);
        Box::pin(std::future::ready(of_name.map(|(_, record)| record.clone()).collect()))
    }

    fn asked(&self) -> String {
        std::mem::take(&mut *self.asked.lock().unwrap()).join(", ")
    }
}

impl Lookup for Script {
    fn naptr<'a>(&'a self, name: &'a str) -> Found<'a, Naptr> {
        self.find("NAPTR", name, &self.naptr)
    }

    fn srv<'a>(&'a self, name: &'a str) -> Found<'a, Srv> {
        self.find("SRV", name, &self.srv)
    }

    fn addresses<'a>(&'a self, name: &'a str) -> Found<'a, IpAddr> {
        let parsed: Vec<_> = self.addresses.iter().map(|(n, a)| (*n, a.parse().unwrap())).collect();
        self.find("A", name, &parsed)
    }
}

async fn targets(uri: &str, script: &Script) -> Vec<String> {
    let hop = Hop::from_uri(&sip_stack::message::Uri::parse(uri).unwrap());
    let found = resolve(&hop, script, |_| true, &mut StdRng::seed_from_u64(1)).await;
    found.iter().map(Hop::to_string).collect()
}

fn example() -> Script {
    Script::default()
        .naptr("example.com", 100, "SIPS+D2T", "_sips._tcp.example.com")
        .naptr("example.com", 90, "SIP+D2T", "_sip._tcp.example.com")
        .naptr("example.com", 95, "sip+d2u", "_sip._udp.example.com")
        .naptr("example.com", 10, "E2U+mailto", "x.example.com")
        .srv("_sip._tcp.example.com", 1, 5070, "a.example.com")
        .srv("_sip._tcp.example.com", 2, 5060, "b.example.com")
        .srv("_sip._udp.example.com", 1, 5060, "a.example.com")
        .host("a.example.com", "192.0.2.1")
        .host("b.example.com", "192.0.2.2")
        .host("b.example.com", "2001:db8::2")
        .host("example.com", "192.0.2.9")
}

#[tokio::test]
async fn an_address_is_looked_up_nowhere() {
    let script = example();
    assert_eq!(targets("sip:192.0.2.5", &script).await, ["192.0.2.5:5060"]);
    assert_eq!(targets("sip:[2001:db8::5]:5070", &script).await, ["[2001:db8::5]:5070"]);
    let tcp = targets("sip:u@192.0.2.5;transport=tcp", &script).await;
    assert_eq!(tcp, ["192.0.2.5:5060;transport=TCP"]);
    assert_eq!(script.asked(), "");
}

#[tokio::test]
async fn a_port_skips_srv_and_naptr() {
    let script = example();
    assert_eq!(targets("sip:example.com:5080", &script).await, ["192.0.2.9:5080"]);
    let udp = targets("sip:example.com:5080;transport=udp", &script).await;
    assert_eq!(udp, ["192.0.2.9:5080;transport=UDP"]);
    assert_eq!(script.asked(), "A example.com, A example.com");
}

#[tokio::test]
async fn maddr_is_the_host() {
    let script = example();
    assert_eq!(targets("sip:else.net:5080;maddr=example.com", &script).await, ["192.0.2.9:5080"]);
}

#[tokio::test]
async fn a_transport_skips_naptr() {
    let script = example();
    let udp = targets("sip:example.com;transport=udp", &script).await;
    assert_eq!(udp, ["192.0.2.1:5060;transport=UDP"]);
    assert_eq!(script.asked(), "SRV _sip._udp.example.com, A a.example.com");
    let tcp = targets("sip:a.example.com;transport=tcp", &script).await;
    assert_eq!(tcp, ["192.0.2.1:5060;transport=TCP"], "no SRV: the host itself");
    assert_eq!(script.asked(), "SRV _sip._tcp.a.example.com, A a.example.com");
}

#[tokio::test]
async fn naptr_chooses_the_transport_and_srv_the_server() {
    let script = example();
    assert_eq!(
        targets("sip:example.com", &script).await,
        [
            "192.0.2.1:5070;transport=TCP",
            "192.0.2.2:5060;transport=TCP",
            "[2001:db8::2]:5060;transport=TCP",
            // open, so that a long request can go by TCP
            "192.0.2.1:5060",
        ]
    );
    let asked = script.asked();
    assert!(asked.starts_with("NAPTR example.com, SRV _sip._tcp.example.com, SRV _sip._udp"));
    assert!(!asked.contains("_sips"), "we do not speak TLS: {asked}");
}

#[tokio::test]
async fn records_that_are_no_service_of_ours_are_skipped() {
    let mut script = example();
    for (_, record) in &mut script.naptr {
        record.flags = "u".to_owned();
    }
    // as if there were no NAPTR: both SRV, UDP first
    let found = targets("sip:example.com", &script).await;
    assert_eq!(found[0], "192.0.2.1:5060");
    assert_eq!(found[1], "192.0.2.1:5070;transport=TCP");
}

#[tokio::test]
async fn without_naptr_and_srv_the_name_is_a_host() {
    let script = Script::default().host("pbx.example.com", "192.0.2.7");
    assert_eq!(targets("sip:pbx.example.com", &script).await, ["192.0.2.7:5060"]);
    assert_eq!(
        script.asked(),
        "NAPTR pbx.example.com, SRV _sip._udp.pbx.example.com, SRV _sip._tcp.pbx.example.com, \
         A pbx.example.com"
    );
    assert!(targets("sip:nobody.example.com", &script).await.is_empty());
}

/// RFC 2782: a target of `.` says that the service is not there, whatever the host may be.
#[tokio::test]
async fn a_service_may_be_decidedly_absent() {
    let script =
        Script::default().srv("_sip._udp.example.com", 0, 0, "").host("example.com", "192.0.2.9");
    assert!(targets("sip:example.com;transport=udp", &script).await.is_empty());
}

#[tokio::test]
async fn what_a_stranger_writes_is_bounded() {
    let mut script = Script::default();
    for port in 1..100 {
        script = script.srv("_sip._udp.example.com", 1, port, "a.example.com");
    }
    for _ in 0..50 {
        script = script.host("a.example.com", "192.0.2.1");
    }
    let found = targets("sip:example.com;transport=udp", &script).await;
    assert_eq!(found.len(), MAX_RECORDS, "the same address once a port");
    assert_eq!(script.asked().matches("A a.").count(), MAX_RECORDS);
}

#[tokio::test]
async fn only_hosts_of_families_we_speak_are_sent_to() {
    let script = Script::default()
        .host("h.example.com", "0.0.0.0")
        .host("h.example.com", "224.0.0.1")
        .host("h.example.com", "255.255.255.255")
        .host("h.example.com", "ff02::1")
        .host("h.example.com", "2001:db8::1")
        .host("h.example.com", "192.0.2.1");
    assert_eq!(targets("sip:h.example.com:1", &script).await, ["[2001:db8::1]:1", "192.0.2.1:1"]);
    let hop = Hop { host: Host::Name("h.example.com".into()), port: Some(1), transport: None };
    let v4 = resolve(&hop, &script, |ip| ip.is_ipv4(), &mut StdRng::seed_from_u64(1)).await;
    assert_eq!(v4.len(), 1);
}

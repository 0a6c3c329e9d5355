//! Conference control: requests as Linphone and RFC 6503 write them, and the answers they need.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod common;

use std::time::Duration;

use conference_info::ccmp::{
    Answer, Ask, Code, Conference, Operation, Planned, Request, Response, Target,
};
use conference_info::{ConfUri, ConferenceInfo, Description, User, Users};
use roxmltree::Document;

const CONFS: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>
<ccmp:ccmpRequest xmlns:info=\"urn:ietf:params:xml:ns:conference-info\"
 xmlns:ccmp=\"urn:ietf:params:xml:ns:xcon:ccmp\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">
 <ccmpRequest xsi:type=\"ccmp:ccmp-confs-request-message-type\">
  <confUserID>xcon-userid:alice@example.org</confUserID>
  <ccmp:confsRequest/>
 </ccmpRequest></ccmp:ccmpRequest>";

/// What a scheduler in the style of Linphone sends; prefixes are its own.
const CREATE: &str = "<xcon-ccmp:ccmpRequest xmlns:xcon-ccmp=\"urn:ietf:params:xml:ns:xcon-ccmp\"
 xmlns:ci=\"urn:ietf:params:xml:ns:conference-info\"
 xmlns:xci=\"urn:ietf:params:xml:ns:xcon-conference-info\"
 xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">
 <ccmpRequest xsi:type=\"xcon-ccmp:ccmp-conf-request-message-type\">
  <confUserID>xcon-userid:alice@example.org</confUserID><operation>create</operation>
  <conference-password>4711</conference-password>
  <xcon-ccmp:confRequest><confInfo entity=\"xcon:AUTO_GENERATE_1@example.org\">
   <ci:conference-description><ci:subject>Weekly</ci:subject>
    <ci:conf-uris><ci:entry><ci:uri>sip:x@y</ci:uri><xci:conference-password>0815</xci:conference-password>
    </ci:entry></ci:conf-uris>
    <ci:available-media><ci:entry label=\"AUTO_GENERATE_2\"><ci:display-text>audio</ci:display-text>
     <ci:type>audio</ci:type><ci:status>sendrecv</ci:status></ci:entry></ci:available-media>
    <xci:conference-time><xci:entry><xci:base>BEGIN:VCALENDAR&#13;
BEGIN:VEVENT&#13;
DTSTART:20260822T100000Z&#13;
DURATION:PT1H30M&#13;
END:VEVENT&#13;
END:VCALENDAR&#13;
</xci:base></xci:entry></xci:conference-time>
   </ci:conference-description>
   <ci:users><xci:allowed-users-list><xci:target uri=\"sip:bob@example.org\" method=\"dial-in\"/>
   </xci:allowed-users-list></ci:users>
  </confInfo></xcon-ccmp:confRequest></ccmpRequest></xcon-ccmp:ccmpRequest>";

fn planned() -> Planned {
    let start = Duration::from_secs(1_787_392_800);
    Planned { start, end: Some(start + Duration::from_secs(5400)) }
}

#[test]
fn the_list_is_asked_for_in_either_namespace() {
    for text in [CONFS.to_owned(), CONFS.replace("xcon:ccmp", "xcon-ccmp")] {
        let request = Request::parse(text.as_bytes()).unwrap();
        assert_eq!(request.user_id.as_deref(), Some("xcon-userid:alice@example.org"));
        assert_eq!(request.ask, Ask::Conferences { filtered: false });
        assert_eq!((request.operation, request.conference_id), (None, None));
    }
}

#[test]
fn a_conference_that_is_to_be_made_is_read() {
    let request = Request::parse(CREATE.as_bytes()).unwrap();
    assert_eq!(request.operation, Some(Operation::Create));
    assert_eq!(request.password.as_deref(), Some("4711"));
    let Ask::Conference(Some(conference)) = request.ask else { panic!("{request:?}") };
    let description = conference.info.description.unwrap();
    assert_eq!(description.subject.as_deref(), Some("Weekly"));
    assert_eq!(conference.planned, Some(planned()));
    let bob = Target { uri: "sip:bob@example.org".into(), method: "dial-in".into() };
    assert_eq!(conference.allowed, [bob]);
    assert_eq!(conference.password.as_deref(), Some("0815"));
}

#[test]
fn requests_about_people_and_of_other_kinds_are_told_apart() {
    let ask = |element: &str| {
        let text = format!("<ccmpRequest><ccmpRequest>{element}</ccmpRequest></ccmpRequest>");
        Request::parse(text.as_bytes()).unwrap().ask
    };
    assert_eq!(ask("<usersRequest/>"), Ask::Users { changes: false });
    assert_eq!(ask("<confRequest/>"), Ask::Conference(None));
    assert_eq!(ask("<userRequest/>"), Ask::User(None));
    let Ask::User(Some(user)) =
        ask("<userRequest><userInfo entity='xcon-userid:b@x'/></userRequest>")
    else {
        panic!("no user")
    };
    assert_eq!(user.entity, "xcon-userid:b@x");
    assert_eq!(ask("<blueprintsRequest/>"), Ask::Blueprints);
    assert_eq!(ask("<optionsRequest/>"), Ask::Options);
    assert_eq!(ask("<sidebarByValRequest/>"), Ask::Other("sidebarByValRequest".into()));
}

#[test]
fn what_is_no_request_is_refused() {
    for text in [
        "",
        "<ccmpRequest/>",
        "<ccmpRequest><ccmpRequest/></ccmpRequest>",
        "<ccmpResponse><ccmpRequest><confsRequest/></ccmpRequest></ccmpResponse>",
        "<ccmpRequest><ccmpRequest><operation>explode</operation><confRequest/></ccmpRequest></ccmpRequest>",
    ] {
        assert!(Request::parse(text.as_bytes()).is_err(), "{text}");
    }
}

fn response(answer: Answer) -> String {
    let response = Response {
        user_id: "xcon-userid:alice@x".into(),
        conference_id: Some("xcon:m@x".into()),
        operation: Some(Operation::Retrieve),
        code: Code::Success,
        text: None,
        version: Some(3),
        answer,
    };
    response.to_xml()
}

#[test]
fn an_answer_says_by_xsi_type_what_it_is_and_has_its_element_though_empty() {
    for (answer, name) in [
        (Answer::Conferences(Vec::new()), "confs"),
        (Answer::Conference(None), "conf"),
        (Answer::Users(None), "users"),
        (Answer::User(None), "user"),
        (Answer::Blueprints, "blueprints"),
        (Answer::Options, "options"),
    ] {
        let text = response(answer);
        let document = Document::parse(&text).unwrap();
        let outer = document.root_element();
        let ccmp = "urn:ietf:params:xml:ns:xcon-ccmp";
        assert_eq!(outer.tag_name(), (ccmp, "ccmpResponse").into());
        let inner = outer.first_element_child().unwrap();
        assert_eq!(inner.tag_name(), "ccmpResponse".into());
        let kind = inner.attribute(("http://www.w3.org/2001/XMLSchema-instance", "type"));
        assert_eq!(kind, Some(format!("ccmp:ccmp-{name}-response-message-type").as_str()));
        let element = format!("{name}Response");
        assert!(inner.children().any(|child| child.has_tag_name((ccmp, element.as_str()))));
        let order: Vec<&str> = inner.children().map(|child| child.tag_name().name()).collect();
        let known = ["confUserID", "confObjID", "operation", "response-code", "version"];
        assert_eq!(order[..5], known);
    }
}

#[test]
fn a_conference_is_told_as_linphone_reads_it() {
    let conference = Conference {
        info: ConferenceInfo {
            entity: "xcon:m@x".into(),
            version: Some(3),
            description: Some(Description {
                subject: Some("Weekly".into()),
                conf_uris: vec![ConfUri { uri: "sip:m@x".into(), ..ConfUri::default() }],
                ..Description::default()
            }),
            users: Some(Users {
                list: vec![User { entity: "xcon-userid:bob@x".into(), ..User::default() }],
                ..Users::default()
            }),
            ..ConferenceInfo::default()
        },
        planned: Some(planned()),
        allowed: vec![Target { uri: "sip:bob@x".into(), method: "dial-in".into() }],
        password: None,
    };
    let text = response(Answer::Conference(Some(Box::new(conference))));
    assert!(text.contains("<confInfo entity=\"xcon:m@x\" version=\"3\">"), "{text}");
    assert!(text.contains("<xcon:conference-time><xcon:entry><xcon:base>BEGIN:VCALENDAR&#13;\n"));
    assert!(text.contains("<xcon:allowed-users-list><xcon:target uri=\"sip:bob@x\""), "{text}");
    // What stands in confInfo is a conference document by its schema.
    let document = Document::parse(&text).unwrap();
    let info = document.descendants().find(|node| node.has_tag_name("confInfo")).unwrap();
    let inner = &text[info.range()];
    let inner = inner.replacen(
        "<confInfo",
        "<info:conference-info xmlns:info=\"urn:ietf:params:xml:ns:conference-info\" xmlns:xcon=\"x\"",
        1,
    );
    let inner = inner.replace("</confInfo>", "</info:conference-info>");
    common::schema::validate(&inner).unwrap();
}

#[test]
fn a_list_of_conferences_has_their_names() {
    let weekly =
        ConfUri { uri: "xcon:m@x".into(), display_text: Some("Weekly".into()), purpose: None };
    let text = response(Answer::Conferences(vec![weekly]));
    let entry = "<confsInfo><info:entry><info:uri>xcon:m@x</info:uri>\
        <info:display-text>Weekly</info:display-text></info:entry></confsInfo>";
    assert!(text.contains(entry), "{text}");
}

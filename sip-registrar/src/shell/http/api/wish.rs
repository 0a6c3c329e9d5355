//! What is wanted of a conference, as JSON. Fields nobody knows are refused.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};
use sip_registrar::{ConferenceName, MeetingWish, PathPolicy, Pin, Schedule, Visibility};
use utoipa::ToSchema;

use crate::shell::http::problem::Problem;
use crate::shell::moment::parse_rfc3339;

/// What is wanted of a conference. What is left out is as usual, or stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MeetingWish)]
pub(super) struct WishJson {
    /// The user part of its SIP URI; only when it is made. Left out: a random one.
    name: Option<String>,
    /// What it is about.
    subject: Option<String>,
    /// Who finds it in a list: public, members or hidden.
    #[schema(value_type = Option<String>)]
    visibility: Option<Visibility>,
    /// 4 to 16 digits that have to be dialled to come in; null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pin: Option<Option<String>>,
    /// The most members; null: the server's limit.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<usize>)]
    max_members: Option<Option<usize>>,
    /// When it is planned; null: now.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<ScheduleWish>)]
    schedule: Option<Option<ScheduleWish>>,
    /// Whether newcomers wait to be admitted.
    waiting_room: Option<bool>,
    /// The way media may go: automatic, mixed or direct.
    #[schema(value_type = Option<String>)]
    media_path: Option<PathPolicy>,
    /// Accounts that are invited.
    invited: Option<BTreeSet<String>>,
}

/// From when to when.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleWish {
    /// RFC 3339
    #[schema(format = DateTime)]
    start: String,
    /// RFC 3339; later than the start.
    #[schema(format = DateTime)]
    end: Option<String>,
}

/// Tells null from what is left out.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

impl TryFrom<WishJson> for MeetingWish {
    type Error = Problem;

    fn try_from(json: WishJson) -> Result<Self, Problem> {
        let name = |name: String| {
            ConferenceName::parse(&name)
                .ok_or_else(|| Problem::bad("name: 1 to 64 characters that can be seen"))
        };
        let pin = |digits: String| {
            Pin::parse(&digits).ok_or_else(|| Problem::bad("pin: 4 to 16 decimal digits"))
        };
        Ok(MeetingWish {
            organizer_name: None,
            name: json.name.map(name).transpose()?,
            subject: json.subject,
            visibility: json.visibility,
            pin: json.pin.map(|given| given.map(pin).transpose()).transpose()?,
            max_members: json.max_members,
            schedule: json
                .schedule
                .map(|given| given.map(Schedule::try_from).transpose())
                .transpose()?,
            waiting_room: json.waiting_room,
            media_path: json.media_path,
            invited: json.invited,
        })
    }
}

impl TryFrom<ScheduleWish> for Schedule {
    type Error = Problem;

    fn try_from(json: ScheduleWish) -> Result<Self, Problem> {
        let time = |field: &str, text: &str| {
            parse_rfc3339(text).ok_or_else(|| {
                Problem::bad(format!("schedule.{field}: a time such as 2026-11-22T10:00:00Z"))
            })
        };
        let start = time("start", &json.start)?;
        let end = json.end.map(|end| time("end", &end)).transpose()?;
        if end.is_some_and(|end| end <= start) {
            return Err(Problem::bad("schedule.end: later than the start"));
        }
        Ok(Schedule { start, end })
    }
}

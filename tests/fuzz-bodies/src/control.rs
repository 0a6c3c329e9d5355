//! What focus and mixer send each other by gRPC.

use std::fmt::Debug;

use mixer_control::{JoinRequest, LegDescription, LegRef, MixerError, MixerEvent, proto};
use prost::Message;

/// One protobuf message, its kind chosen by the first byte: as a plain value and back it is the same.
pub fn messages(data: &[u8]) {
    let Some((&kind, data)) = data.split_first() else { return };
    match kind % 4 {
        0 => there_and_back::<proto::LegRef, LegRef>(data),
        1 => there_and_back::<proto::LegDescription, LegDescription>(data),
        2 => there_and_back::<proto::JoinRequest, JoinRequest>(data),
        _ => there_and_back::<proto::Event, MixerEvent>(data),
    }
}

fn there_and_back<Wire, Plain>(data: &[u8])
where
    Wire: Message + Default + From<Plain>,
    Plain: TryFrom<Wire, Error = MixerError> + Clone + PartialEq + Debug,
{
    let Ok(wire) = Wire::decode(data) else { return };
    let Ok(plain) = Plain::try_from(wire) else { return };
    let bytes = Wire::from(plain.clone()).encode_to_vec();
    let again = Wire::decode(bytes.as_slice()).expect("what we encode we can decode");
    assert_eq!(Plain::try_from(again), Ok(plain));
}

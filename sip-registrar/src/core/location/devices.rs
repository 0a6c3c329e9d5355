//! In which order the devices of an account are called (RFC 3261 §16.6, RFC 5626 §7).

use std::collections::VecDeque;

use super::Binding;

/// One device and the ways to it, the best first: they are tried one after the other, never at once
/// (RFC 5626 §7).
pub type Device = VecDeque<Binding>;

/// Sorts bindings into groups of devices to be called at the same time, the most wanted group first
/// (`q`, RFC 3261 §16.6). A device with several flows is called by the one registered last and
/// stands in the group of that one.
#[must_use]
pub fn by_preference<'a>(bindings: impl Iterator<Item = &'a Binding>) -> VecDeque<Vec<Device>> {
    let mut devices: Vec<Device> = Vec::new();
    let mut newest_first: Vec<&Binding> = bindings.collect();
    newest_first.sort_by_key(|b| std::cmp::Reverse(b.id));
    for binding in newest_first {
        let instance = binding.instance();
        let same = |device: &&mut Device| {
            instance.is_some() && device.front().is_some_and(|first| first.instance() == instance)
        };
        match devices.iter_mut().find(same) {
            Some(device) => device.push_back(binding.clone()),
            None => devices.push(Device::from([binding.clone()])),
        }
    }
    let q = |device: &Device| device.front().map_or(0, Binding::q);
    devices.sort_by_key(|device| std::cmp::Reverse(q(device)));
    let mut groups: VecDeque<Vec<Device>> = VecDeque::new();
    for device in devices {
        match groups.back_mut().filter(|group| group.first().is_some_and(|d| q(d) == q(&device))) {
            Some(group) => group.push(device),
            None => groups.push_back(vec![device]),
        }
    }
    groups
}

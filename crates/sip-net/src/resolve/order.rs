//! In which order the servers of a service are tried (RFC 2782).

use super::Srv;
use rand::{Rng, RngExt};

/// Lower priorities first; among equals by lot, each with the chance its weight gives it.
pub(super) fn by_priority_and_weight(mut records: Vec<Srv>, rng: &mut impl Rng) -> Vec<Srv> {
    // RFC 2782: those of weight 0 stand first in a draw, so that they are drawn seldom but can be.
    records.sort_by_key(|record| (record.priority, record.weight));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let peers = records.iter().take_while(|record| record.priority == priority);
        let weights: Vec<u32> = peers.map(|record| u32::from(record.weight)).collect();
        let lot = rng.random_range(0..=weights.iter().sum::<u32>());
        let mut sum = 0;
        let drawn = weights.iter().position(|weight| {
            sum += weight;
            sum >= lot
        });
        ordered.push(records.remove(drawn.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv { priority, weight, port: 5060, target: target.to_owned() }
    }

    #[test]
    fn lower_priorities_come_first_whatever_the_weight() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..100 {
            let records = vec![srv(20, 900, "c"), srv(10, 0, "b"), srv(0, 1, "a")];
            let order = by_priority_and_weight(records, &mut rng);
            assert_eq!(order.iter().map(|r| r.target.as_str()).collect::<String>(), "abc");
        }
    }

    #[test]
    fn weights_are_chances() {
        let mut rng = StdRng::seed_from_u64(2);
        let mut first = [0; 3];
        for _ in 0..10_000 {
            let records = vec![srv(0, 60, "a"), srv(0, 20, "b"), srv(0, 0, "c")];
            let order = by_priority_and_weight(records, &mut rng);
            assert_eq!(order.len(), 3);
            let index = ["a", "b", "c"].iter().position(|name| *name == order[0].target);
            first[index.unwrap_or(2)] += 1;
        }
        let [a, b, c] = first;
        assert!((7_200..7_700).contains(&a), "{first:?}: 60 of 80");
        assert!((2_200..2_700).contains(&b), "{first:?}: 20 of 80");
        assert!((1..400).contains(&c), "{first:?}: seldom, but not never");
    }

    #[test]
    fn all_of_weight_zero_are_equal_and_none_is_lost() {
        let mut rng = StdRng::seed_from_u64(3);
        let records: Vec<Srv> = (0..20).map(|n| srv(1, 0, &n.to_string())).collect();
        let mut order = by_priority_and_weight(records.clone(), &mut rng);
        order.sort_by_key(|record| record.target.parse::<u8>().unwrap_or_default());
        assert_eq!(order, records);
        assert!(by_priority_and_weight(Vec::new(), &mut rng).is_empty());
    }
}

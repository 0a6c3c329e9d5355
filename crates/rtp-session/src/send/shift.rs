//! A wrapping number of forwarded media made continuous: shifted at every switch, closed up over what is left
//! out on purpose.

use std::collections::VecDeque;

/// Steps and omissions remembered, for packets that come late.
const MEMORY: usize = 128;

/// Maps the unwrapped numbers of one source after another to one gapless row.
#[derive(Clone, Debug)]
pub(crate) struct Shift {
    /// From this input on (first) this much is added (second); in order. The first entry is the switch.
    steps: VecDeque<(u64, i64)>,
    /// Inputs left out; in order.
    omitted: VecDeque<u64>,
    highest_in: Option<u64>,
    highest_out: u64,
}

impl Shift {
    /// The first number to come out will be `first_out`, which must not be 0.
    pub(crate) const fn new(first_out: u64) -> Self {
        Self {
            steps: VecDeque::new(),
            omitted: VecDeque::new(),
            highest_in: None,
            highest_out: first_out - 1,
        }
    }

    /// A new source starts with `input`, which comes right after all that was put out.
    pub(crate) fn sync(&mut self, input: u64) {
        self.steps.clear();
        self.omitted.clear();
        let offset = (self.highest_out + 1).cast_signed() - input.cast_signed();
        self.steps.push_back((input, offset));
        self.highest_in = None;
    }

    /// The row of outputs goes on in a larger cycle: the number just put out was meant modulo `small`, and is from now
    /// on that remainder in a cycle of `large`.
    pub(crate) const fn lower_output(&mut self, large: u64, small: u64) {
        self.highest_out = large + self.highest_out % small;
    }

    /// What `input` is called outside. `None` for what was left out, and for what is older than the switch.
    pub(crate) fn map(&mut self, input: u64) -> Option<u64> {
        if self.omitted.binary_search(&input).is_ok() {
            return None;
        }
        let step = self.steps.iter().rev().find(|(from, _)| *from <= input)?;
        let output = input.checked_add_signed(step.1)?;
        self.highest_in = self.highest_in.max(Some(input));
        self.highest_out = self.highest_out.max(output);
        Some(output)
    }

    /// Leaves `input` out. Too late for one older than the newest: those after it have their numbers already.
    pub(crate) fn omit(&mut self, input: u64) {
        let Some(&(_, offset)) = self.steps.back().filter(|(from, _)| *from <= input) else {
            return;
        };
        if self.highest_in.is_some_and(|highest| input <= highest) {
            return;
        }
        if self.steps.len() >= MEMORY {
            // What is older than the oldest step left has no number any more.
            self.steps.pop_front();
        }
        if self.omitted.len() >= MEMORY {
            self.omitted.pop_front();
        }
        self.steps.push_back((input + 1, offset - 1));
        self.omitted.push_back(input);
        self.highest_in = Some(input);
    }
}

/// The number congruent to `value` modulo `modulus` that is nearest to `reference`; never below zero.
pub(crate) fn unwrap_near(reference: u64, value: u64, modulus: u64) -> u64 {
    let base = reference - reference % modulus + value % modulus;
    let candidates = [base.checked_sub(modulus), Some(base), Some(base + modulus)];
    candidates
        .into_iter()
        .flatten()
        .min_by_key(|candidate| candidate.abs_diff(reference))
        .unwrap_or(base)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One input: its number, what must come out, whether it starts a source, whether it is left out.
    type Row = (u64, Option<u64>, bool, bool);

    fn run(first_out: u64, rows: &[Row]) {
        let mut shift = Shift::new(first_out);
        for (i, &(input, expected, sync, omit)) in rows.iter().enumerate() {
            if sync {
                shift.sync(input);
            }
            let output = if omit {
                shift.omit(input);
                None
            } else {
                shift.map(input)
            };
            assert_eq!(output, expected, "row {i}: {:?}", rows[i]);
        }
    }

    #[test]
    fn nothing_comes_out_before_the_first_source() {
        run(100, &[(5, None, false, false), (6, Some(100), true, false)]);
    }

    #[test]
    fn numbers_in_a_row_stay_in_a_row_and_holes_stay_holes() {
        run(
            100,
            &[
                (7, Some(100), true, false),
                (8, Some(101), false, false),
                (10, Some(103), false, false),
                (9, Some(102), false, false),
                (11, Some(104), false, false),
            ],
        );
    }

    #[test]
    fn omissions_close_up_also_for_late_ones() {
        run(
            1,
            &[
                (10, Some(1), true, false),
                (11, None, false, true),
                (13, Some(3), false, false),
                (12, Some(2), false, false),
                (11, None, false, false),
                (14, None, false, true),
                (15, None, false, true),
                (16, Some(4), false, false),
                (13, Some(3), false, false),
            ],
        );
    }

    #[test]
    fn an_omission_that_comes_late_leaves_a_hole() {
        run(
            1,
            &[
                (10, Some(1), true, false),
                (12, Some(3), false, false),
                (11, None, false, true),
                (13, Some(4), false, false),
            ],
        );
    }

    #[test]
    fn a_new_source_goes_on_after_the_highest_and_has_no_past() {
        run(
            1,
            &[
                (10, Some(1), true, false),
                (12, Some(3), false, false),
                (5000, Some(4), true, false),
                (4999, None, false, false),
                (5001, Some(5), false, false),
                (3, Some(6), true, false),
                (2, None, false, false),
            ],
        );
    }

    #[test]
    fn the_first_of_a_source_may_be_left_out() {
        run(1, &[(10, None, true, true), (11, Some(1), false, false), (12, Some(2), false, false)]);
    }

    #[test]
    fn unwrapping_takes_the_nearest() {
        assert_eq!(unwrap_near(0x1_0001, 0xffff, 0x1_0000), 0xffff);
        assert_eq!(unwrap_near(0xffff, 1, 0x1_0000), 0x1_0001);
        assert_eq!(unwrap_near(130, 1, 128), 129);
        assert_eq!(unwrap_near(127, 0, 128), 128);
        assert_eq!(unwrap_near(3, 100, 128), 100, "never below zero");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Whatever is left out, and however the sources change: what is sent in order comes out in a row.
        #[test]
        fn in_order_means_gapless(sources in prop::collection::vec(
            (1u64..1_000_000, prop::collection::vec(any::<bool>(), 1..300)), 1..5))
        {
            let mut shift = Shift::new(1000);
            let mut expected = 1000;
            for (start, packets) in sources {
                shift.sync(start);
                for (input, keep) in (start..).zip(packets) {
                    if keep {
                        prop_assert_eq!(shift.map(input), Some(expected));
                        expected += 1;
                    } else {
                        shift.omit(input);
                    }
                }
            }
        }
    }
}

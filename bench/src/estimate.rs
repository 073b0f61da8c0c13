// SPDX-License-Identifier: MIT OR Apache-2.0
//! The mean of some rounds, and how far it can be trusted.

/// A mean with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) mean: f64,
    /// Half the width of the 95 % interval; infinite for a single value.
    pub(crate) interval: f64,
}

impl Estimate {
    /// The estimate that some values give, of which there is at least one.
    pub(crate) fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        if values.len() < 2 {
            return Self {
                mean,
                interval: f64::INFINITY,
            };
        }
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let error = (squares / (count - 1.0) / count).sqrt();
        Self {
            mean,
            interval: student(values.len() - 1) * error,
        }
    }

    /// The interval as a share of the mean.
    pub(crate) fn relative(self) -> f64 {
        self.interval / self.mean
    }

    /// What is left when another quantity, measured apart, is taken away.
    pub(crate) fn minus(self, other: Self) -> Self {
        Self {
            mean: self.mean - other.mean,
            interval: self.interval.hypot(other.interval),
        }
    }
}

/// Two-sided 95 % quantile of Student's distribution.
fn student(freedom: usize) -> f64 {
    const TABLE: [f64; 20] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    ];
    TABLE.get(freedom - 1).copied().unwrap_or(2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_two_values_is_that_of_students_distribution() {
        let estimate = Estimate::of(&[1.0, 3.0]);
        assert_eq!(estimate.mean, 2.0);
        assert!((estimate.interval - 12.706).abs() < 1e-9);
    }

    #[test]
    fn a_single_value_is_not_trusted() {
        assert!(Estimate::of(&[5.0]).interval.is_infinite());
    }

    #[test]
    fn equal_values_have_no_interval() {
        assert_eq!(Estimate::of(&[7.0; 4]).interval, 0.0);
    }
}

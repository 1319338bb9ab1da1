//! Conditions on versions, as manifests state them (`>=1.40.0, <2`), of Go releases and of modules. Versions are ordered by Go's
//! rules (`go/version`, `golang.org/ref/mod#versions`). Leaves out which module a condition is about.
//!
//! A bound with fewer than three numbers names a series, with its pre-releases: `>=1.27` holds for `go1.27rc1`, as `go1.27` comes
//! before `go1.27rc1` in Go's order, and `<2` does not hold for `v2.0.0-rc.1`. With three numbers it is that version: `go1.27rc1`
//! does not meet `>=1.27.0`.

use std::cmp::Ordering;

use semver::{BuildMetadata, Prerelease, Version};

/// Comparisons in one condition.
const MAX_COMPARISONS: usize = 32;

/// All of its comparisons have to hold; with none it always does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition(Vec<Comparison>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Met,
    Unmet,
    /// The version cannot be ordered: `(devel)`, a replacement by a directory, `unknown`.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{comparison:?} in {condition:?} is not a comparison such as >=1.40.0")]
pub struct ConditionError {
    condition: String,
    comparison: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Comparison {
    operator: Operator,
    /// The first version that belongs to the bound.
    first: Version,
    /// The first version that comes after it; for a whole version, itself.
    after: Option<Version>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Condition {
    /// Comparisons (`=`, `!=`, `<`, `<=`, `>`, `>=`) with commas between; a `v` or `go` before a version is fine.
    pub fn parse(condition: &str) -> Result<Self, ConditionError> {
        let wrong = |comparison: &str| ConditionError { condition: condition.into(), comparison: comparison.into() };
        if matches!(condition.trim(), "" | "*") {
            return Ok(Self(Vec::new()));
        }
        let comparisons: Result<Vec<_>, _> = condition
            .split(',')
            .take(MAX_COMPARISONS + 1)
            .map(|comparison| Comparison::parse(comparison.trim()).ok_or_else(|| wrong(comparison.trim())))
            .collect();
        let comparisons = comparisons?;
        if comparisons.len() > MAX_COMPARISONS {
            return Err(wrong("more than can be looked at"));
        }
        Ok(Self(comparisons))
    }

    /// Whether it certainly holds.
    pub fn matches(&self, version: &str) -> bool {
        self.verdict(version) == Verdict::Met
    }

    /// Of a version as build info states it: `go1.26.8`, `devel go1.28-0123456789`, `v1.2.3`, `(devel)`.
    pub fn verdict(&self, version: &str) -> Verdict {
        match parse(version) {
            _ if self.0.is_empty() => Verdict::Met,
            None => Verdict::Unknown,
            Some(version) if self.0.iter().all(|comparison| comparison.holds(&version)) => Verdict::Met,
            Some(_) => Verdict::Unmet,
        }
    }
}

impl Comparison {
    fn parse(text: &str) -> Option<Self> {
        use Operator::*;
        let operators = [
            (">=", GreaterOrEqual),
            ("<=", LessOrEqual),
            ("!=", NotEqual),
            ("==", Equal),
            (">", Greater),
            ("<", Less),
            ("=", Equal),
        ];
        let found = operators.iter().find_map(|&(sign, operator)| Some((operator, text.strip_prefix(sign)?)));
        let (operator, bound) = found?;
        let bound = bound.trim();
        let bound = bound.strip_prefix("go").or_else(|| bound.strip_prefix('v')).unwrap_or(bound);
        let is_whole = bound.split('.').count() > 2 || stage(bound).is_some();
        if is_whole {
            let first = module(&format!("v{bound}")).or_else(|| release(bound))?;
            return Some(Self { operator, first, after: None });
        }
        let mut numbers = bound.split('.').map(number);
        let (major, minor) = (numbers.next()??, numbers.next());
        if numbers.next().is_some() {
            return None;
        }
        let (first, after) = match minor {
            Some(minor) => (beginning(major, minor?), beginning(major, minor?.checked_add(1)?)),
            None => (beginning(major, 0), beginning(major.checked_add(1)?, 0)),
        };
        Some(Self { operator, first, after: Some(after) })
    }

    fn holds(&self, version: &Version) -> bool {
        let is_before = version.cmp_precedence(&self.first) == Ordering::Less;
        let is_after = match &self.after {
            Some(after) => version.cmp_precedence(after) != Ordering::Less,
            None => version.cmp_precedence(&self.first) == Ordering::Greater,
        };
        match self.operator {
            Operator::Equal => !is_before && !is_after,
            Operator::NotEqual => is_before || is_after,
            Operator::Less => is_before,
            Operator::LessOrEqual => !is_after,
            Operator::Greater => is_after,
            Operator::GreaterOrEqual => !is_before,
        }
    }
}

/// How two versions are ordered; none if one of them cannot be.
pub fn compare(one: &str, other: &str) -> Option<Ordering> {
    Some(parse(one)?.cmp_precedence(&parse(other)?))
}

fn parse(version: &str) -> Option<Version> {
    match version.strip_prefix("devel ") {
        // On the way to that release: after everything that came before its first beta.
        Some(development) => {
            let (series, _) = development.strip_prefix("go")?.split_once('-')?;
            let (major, minor) = series.split_once('.')?;
            Some(Version { pre: Prerelease::new("0.devel").ok()?, ..beginning(number(major)?, number(minor)?) })
        }
        None => match version.strip_prefix("go") {
            Some(release_name) => release(release_name),
            None => module(version),
        },
    }
}

/// `1.26.8`, `1.27rc1`, each with what a vendor or an experiment adds: `1.22.5-fips`, `1.26.8 X:jsonv2`.
fn release(text: &str) -> Option<Version> {
    let end = text.find(|character: char| !character.is_ascii_alphanumeric() && character != '.').unwrap_or(text.len());
    let text = &text[..end];
    let (numbers, pre) = match stage(text) {
        Some((at, stage)) => (&text[..at], format!("{stage}.{}", number(&text[at + stage.len()..])?)),
        None => (text, String::new()),
    };
    let mut numbers = numbers.split('.').map(number);
    let (major, minor, patch) = (numbers.next()??, numbers.next()??, numbers.next());
    if numbers.next().is_some() {
        return None;
    }
    // Up to Go 1.20 the first release had no third number; since then that is the language, before all releases.
    if patch.is_none() && pre.is_empty() && minor > 20 {
        return Some(beginning(major, minor));
    }
    Some(Version {
        major,
        minor,
        patch: patch.unwrap_or(Some(0))?,
        pre: Prerelease::new(&pre).ok()?,
        build: BuildMetadata::EMPTY,
    })
}

/// Where a name of Go's for a pre-release stands, and which.
fn stage(release: &str) -> Option<(usize, &'static str)> {
    ["rc", "beta"].into_iter().find_map(|stage| Some((release.find(stage)?, stage)))
}

/// Pseudo-versions need nothing special: v1.2.4-0.20240102030405-abcdef is a pre-release of v1.2.4.
fn module(text: &str) -> Option<Version> {
    Version::parse(text.strip_prefix('v')?).ok()
}

/// Of a series: before all of its pre-releases.
fn beginning(major: u64, minor: u64) -> Version {
    let pre = Prerelease::new("0").unwrap_or(Prerelease::EMPTY);
    Version { major, minor, patch: 0, pre, build: BuildMetadata::EMPTY }
}

fn number(digits: &str) -> Option<u64> {
    (!digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_which_versions_a_condition_is_for() {
        for (condition, met, unmet) in [
            (
                ">=1.40.0, <2",
                &["v1.40.0", "v1.99.1+incompatible"][..],
                &["v1.39.9", "v1.40.0-rc.1", "v2.0.0", "v2.0.0-rc.1"][..],
            ),
            (
                ">=1.27",
                &["go1.27.0", "go1.27rc1", "go1.27beta1", "devel go1.27-0123456789 Sat", "go1.28.1"],
                &["go1.26.8"],
            ),
            (">=1.27.0", &["go1.27.0"], &["go1.27rc1", "devel go1.27-0123456789"]),
            (">=go1.27rc1", &["go1.27rc1", "go1.27rc2", "go1.27.0"], &["go1.27beta1", "devel go1.27-0123456789"]),
            (">1.26", &["go1.27rc1"], &["go1.26.8", "devel go1.26-0123456789"]),
            ("<=1.26", &["go1.26.8", "go1.21.0"], &["go1.27rc1"]),
            ("=1.20", &["go1.20", "go1.20.14", "go1.20rc1"], &["go1.21.0", "go1.19.13"]),
            ("!=1.20", &["go1.21.0"], &["go1.20.3"]),
            ("!=1.20.3", &["go1.20.2", "go1.20.4"], &["go1.20.3"]),
            (">v1.2.3, <v1.2.4", &["v1.2.4-0.20240102030405-abcdefabcdef", "v1.2.4-rc.1"], &["v1.2.3", "v1.2.4"]),
            (">=1.2.3", &["v1.2.4-0.20240102030405-abcdefabcdef+dirty"], &["v1.2.3-0.20240102030405-abcdefabcdef"]),
            ("<0.1", &["v0.0.0-20240102030405-abcdefabcdef"], &["v0.1.0"]),
            (
                ">=1.22.5, <1.22.6",
                &["go1.22.5 X:boringcrypto", "go1.22.5-fips", "go1.22.5 (Red Hat 1.22.5-1.el9)"],
                &["go1.22.4"],
            ),
            ("", &["v1.0.0", "(devel)"], &[]),
        ] {
            let parsed = Condition::parse(condition).unwrap();
            for version in met {
                assert_eq!(parsed.verdict(version), Verdict::Met, "{condition} {version}");
            }
            for version in unmet {
                assert_eq!(parsed.verdict(version), Verdict::Unmet, "{condition} {version}");
            }
        }
    }

    #[test]
    fn does_not_order_what_has_no_order() {
        let condition = Condition::parse(">=1.0.0").unwrap();
        for version in [
            "(devel)",
            "",
            "unknown",
            "devel +0123456789 Sat",
            "v1",
            "v1.2.x",
            "go1",
            "go1.2.3.4",
            "go1.99999999999999999999",
        ] {
            assert_eq!(condition.verdict(version), Verdict::Unknown, "{version}");
            assert!(!condition.matches(version), "{version}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_condition() {
        for (condition, expected) in [
            ("1.2.3", r#""1.2.3" in "1.2.3" is not a comparison such as >=1.40.0"#),
            (">=1.2,", r#""" in ">=1.2," is not a comparison such as >=1.40.0"#),
            (">=x", r#"">=x" in ">=x" is not a comparison such as >=1.40.0"#),
            (">=1.2.3.4", r#"">=1.2.3.4" in ">=1.2.3.4" is not a comparison such as >=1.40.0"#),
            ("~1.2", r#""~1.2" in "~1.2" is not a comparison such as >=1.40.0"#),
            (
                ">=18446744073709551615",
                r#"">=18446744073709551615" in ">=18446744073709551615" is not a comparison such as >=1.40.0"#,
            ),
        ] {
            assert_eq!(Condition::parse(condition).unwrap_err().to_string(), expected);
        }
        assert!(Condition::parse(&">=1,".repeat(1000)).is_err());
    }

    #[test]
    fn orders_as_go_does() {
        let ordered = [
            "go1.18",
            "go1.18.10",
            "go1.27beta1",
            "go1.27rc1",
            "go1.27rc10",
            "go1.27.0",
            "go1.27.4",
            "devel go1.28-0123456789",
            "go1.28rc1",
        ];
        for pair in ordered.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Some(Ordering::Less), "{pair:?}");
        }
        assert_eq!(compare("v1.2.3+incompatible", "v1.2.3"), Some(Ordering::Equal));
        assert_eq!(compare("v1.2.3", "(devel)"), None);
    }
}

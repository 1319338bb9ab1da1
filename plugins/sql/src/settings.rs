//! What an operator can set.

use std::fmt::Display;

use uprobed_sdk::{Declaration, SettingKind, Target, setting, setting_table};

/// What is shown of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryText {
    Sanitized,
    Raw,
    Off,
}

/// What the decoders know of the target.
#[derive(Debug)]
pub struct Facts {
    pub query_text: QueryText,
    /// The most bytes of a statement that are read.
    pub query_limit: u32,
    /// A query lasts until its rows are closed.
    pub until_closed: bool,
    /// Types of drivers, and `db.system.name`.
    pub systems: Vec<(String, String)>,
}

/// As much as one capture can hold.
const LONGEST: u32 = 1024;
const SHORTEST: u32 = 16;

pub fn declarations() -> Vec<Declaration> {
    let ends = ["return", "close"].map(String::from).to_vec();
    let text = ["sanitized", "raw", "off"].map(String::from).to_vec();
    let limit = SettingKind::Integer((SHORTEST.into(), LONGEST.into()));
    let declare =
        |key: &str, kind, default: &dyn Display, about: &str| Declaration::new(key, kind, &default.to_string(), about);
    vec![
        declare(
            "query-text",
            SettingKind::Choice(text),
            &"sanitized",
            "What db.query.text shows of a statement; raw shows literals.",
        ),
        declare("query-limit", limit, &LONGEST, "The most bytes of a statement that are read."),
        declare(
            "query-end",
            SettingKind::Choice(ends),
            &"return",
            "When a query's span ends: when the call returns, or when its rows are closed.",
        ),
        declare(
            "systems",
            SettingKind::TextTable,
            &"",
            "db.system.name by a driver's or connector's Go type, or by its package: \"*example.com/driver.Driver\" = \"mysql\".",
        ),
    ]
}

impl Facts {
    pub fn of(target: &Target) -> Self {
        let query_text = match setting(target, "query-text") {
            Some("raw") => QueryText::Raw,
            Some("off") => QueryText::Off,
            _ => QueryText::Sanitized,
        };
        let limit = setting(target, "query-limit").and_then(|digits| digits.parse().ok());
        let systems = setting_table(target, "systems").map(|(name, system)| (name.into(), system.into()));
        Self {
            query_text,
            until_closed: setting(target, "query-end") == Some("close"),
            query_limit: limit.map_or(LONGEST, |limit: u32| limit.clamp(SHORTEST, LONGEST)),
            systems: systems.collect(),
        }
    }
}

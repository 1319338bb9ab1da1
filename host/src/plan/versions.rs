//! Which versions of modules a probe, or a known offset, is for.

use super::{Skip, skip::NOT_LINKED};
use crate::{
    binary::{Binary, Condition},
    manifest::Requirement,
};

/// None if the binary's module meets the requirement; otherwise why it does not.
pub fn holds(requirement: &Requirement, binary: &Binary) -> Result<Option<Skip>, Skip> {
    let Requirement { module, versions } = requirement;
    let condition = Condition::parse(versions)
        .map_err(|error| Skip::BadVersions { versions: versions.clone(), message: error.to_string() })?;
    let go = binary.go();
    let found = match module.as_str() {
        "std" => go.map(|go| go.version.as_str()),
        path => go.and_then(|go| go.modules.iter().find(|module| module.path == path)).map(|it| it.version.as_str()),
    };
    let meets = found.is_some_and(|version| condition.matches(version));
    Ok((!meets).then(|| Skip::Version {
        module: module.clone(),
        versions: versions.clone(),
        found: found.map_or_else(|| NOT_LINKED.to_owned(), str::to_owned),
    }))
}

//! What is in an executable, for people who write plugins: versions of modules, functions with the sites of their probes, types with
//! the offsets of their fields and where these come from. Prints nothing.

use globset::{Glob, GlobMatcher};
use serde::Serialize;

use crate::binary::{self, Binary, Convention, Error, Inlining, Kind, Role, Site, Source, Type};

/// More functions than anybody reads.
const FUNCTIONS: usize = 10_000;

#[derive(Debug, Serialize)]
pub struct Report {
    pub architecture: &'static str,
    pub position_independent: bool,
    pub build_id: Option<String>,
    /// `go1.26.8`
    pub go: Option<String>,
    /// The main package's path.
    pub main: Option<String>,
    pub modules: Vec<Module>,
    pub settings: Vec<Setting>,
    pub types: Vec<Struct>,
    pub functions: Vec<Function>,
    /// Functions beyond those that are listed.
    pub more_functions: usize,
    /// What was asked for and is not there.
    pub missing: Vec<Missing>,
}

#[derive(Debug, Serialize)]
pub struct Module {
    pub path: String,
    pub version: String,
}

/// How it was built: `-race` `true`.
#[derive(Debug, Serialize)]
pub struct Setting {
    pub key: String,
    pub value: String,
}

#[derive(Debug, Serialize)]
pub struct Struct {
    pub name: String,
    pub kind: &'static str,
    /// In bytes.
    pub size: u64,
    pub source: &'static str,
    /// What the other source, if there is one, says.
    pub agreement: Agreement,
    pub fields: Vec<Field>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Agreement {
    /// There is no other source.
    Alone,
    Agrees,
    Disagrees,
}

#[derive(Debug, Serialize)]
pub struct Field {
    pub name: String,
    /// In bytes.
    pub offset: u64,
    pub size: u64,
    #[serde(rename = "type")]
    pub ty: String,
    pub embedded: bool,
    /// Where the other source has it, if elsewhere.
    pub elsewhere: Option<u64>,
}

#[derive(Debug, Serialize)]
pub struct Function {
    pub name: String,
    /// Link-time address.
    pub address: u64,
    /// In bytes.
    pub size: u64,
    pub convention: &'static str,
    /// As it is written in its program, if the linker writes it otherwise.
    pub demangled: Option<String>,
    /// Where a probe of its calls would stand.
    pub entry: Place<Site>,
    pub returns: Place<Vec<Site>>,
    /// Functions that it was inlined into, whose calls do not come to it: some of them, and how many there are.
    pub inlined_into: Vec<String>,
    pub inlined: usize,
}

/// Where something can be probed, or why it cannot.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place<T> {
    At(T),
    Refused(String),
}

#[derive(Debug, Serialize)]
pub struct Missing {
    pub name: String,
    pub why: String,
}

impl Report {
    /// `types` are full names, `functions` glob patterns over full names.
    pub fn new(binary: &Binary, types: &[String], functions: &[String]) -> anyhow::Result<Self> {
        let go = binary.go();
        let modules = go.map_or(&[][..], |go| &go.modules).iter();
        let settings = go.map_or(&[][..], |go| &go.settings).iter();
        let mut report = Self {
            architecture: match binary.architecture() {
                binary::Architecture::Amd64 => "amd64",
                binary::Architecture::Arm64 => "arm64",
            },
            position_independent: binary.is_position_independent(),
            build_id: binary.build_id(),
            go: go.map(|go| go.version.clone()),
            main: go.and_then(|go| go.main.clone()),
            modules: modules.map(|it| Module { path: it.path.clone(), version: it.version.clone() }).collect(),
            settings: settings.map(|(key, value)| Setting { key: key.clone(), value: value.clone() }).collect(),
            types: Vec::new(),
            functions: Vec::new(),
            more_functions: 0,
            missing: Vec::new(),
        };
        for name in types {
            match structure(binary, name) {
                Ok(found) => report.types.push(found),
                Err(error) => report.missing.push(Missing { name: name.clone(), why: error.to_string() }),
            }
        }
        report.functions(binary, functions)?;
        Ok(report)
    }

    fn functions(&mut self, binary: &Binary, patterns: &[String]) -> anyhow::Result<()> {
        let mut found: Vec<binary::Function> = Vec::new();
        let inlined = binary.inlining(&patterns.iter().map(String::as_str).collect::<Vec<_>>());
        for pattern in patterns {
            let before = found.len();
            if pattern.contains(['*', '?']) {
                let matcher = matcher(pattern)?;
                found.extend(binary.functions().filter(|function| matcher.is_match(&function.name)));
            } else {
                found.extend(binary.functions_named(pattern));
            }
            if found.len() == before {
                let why = match (inlined.get(pattern), binary.find_function(pattern)) {
                    (Some(inlining), _) => gone(inlining),
                    (None, Err(error)) => error.to_string(),
                    (None, Ok(_)) => "no such function".to_owned(),
                };
                self.missing.push(Missing { name: pattern.clone(), why });
            }
        }
        found.sort_by(|one, other| (&one.name, one.address).cmp(&(&other.name, other.address)));
        found.dedup();
        self.more_functions = found.len().saturating_sub(FUNCTIONS);
        found.truncate(FUNCTIONS);
        let inlined = binary.inlining(&found.iter().map(|function| function.name.as_str()).collect::<Vec<_>>());
        self.functions = found.iter().map(|it| function(binary, it, inlined.get(&it.name))).collect();
        Ok(())
    }
}

/// A pattern in which `*` stands for anything and `?` for a character. Go's own names have brackets and stars: those of pointers, as in
/// `net/http.(*Request).Clone`, stand for themselves.
fn matcher(pattern: &str) -> Result<GlobMatcher, globset::Error> {
    let mut glob = String::new();
    let mut last = ' ';
    for letter in pattern.chars() {
        match letter {
            '*' if last == '(' => glob.push_str("[*]"),
            '[' => glob.push_str("[[]"),
            ']' => glob.push_str("[]]"),
            '{' => glob.push_str("[{]"),
            '}' => glob.push_str("[}]"),
            other => glob.push(other),
        }
        last = letter;
    }
    Ok(Glob::new(&glob)?.compile_matcher())
}

fn gone(inlining: &Inlining) -> String {
    const SHOWN: usize = 5;
    let callers = binary::first_callers(&inlining.callers, inlining.count, SHOWN);
    format!("no code of its own: inlined into {callers}")
}

fn structure(binary: &Binary, name: &str) -> Result<Struct, Error> {
    let ty = binary.type_named(name)?.ok_or_else(|| Error::Missing(format!("type {name}")))?;
    let other = if ty.source == Source::Descriptor { binary.dwarf_type_named(name)? } else { None };
    let theirs = other.as_ref().map(|other| fields(binary, other)).transpose()?;
    let mut fields = fields(binary, &ty)?;
    let mut agreement = if other.is_some() { Agreement::Agrees } else { Agreement::Alone };
    if let (Some(other), Some(theirs)) = (&other, theirs) {
        // By their places: a struct may have several fields `_`.
        for (field, their) in fields.iter_mut().zip(&theirs) {
            field.elsewhere = Some(their.offset).filter(|offset| *offset != field.offset);
        }
        let same = |(field, their): (&Field, &Field)| field.name == their.name && field.offset == their.offset;
        if other.size != ty.size || theirs.len() != fields.len() || !fields.iter().zip(&theirs).all(same) {
            agreement = Agreement::Disagrees;
        }
    }
    let source = match ty.source {
        Source::Descriptor => "descriptor",
        Source::Dwarf => "dwarf",
    };
    Ok(Struct { kind: kind(ty.kind), size: ty.size, source, agreement, fields, name: ty.name })
}

/// None if it is no struct.
fn fields(binary: &Binary, ty: &Type) -> Result<Vec<Field>, Error> {
    if ty.kind != binary::Kind::Struct {
        return Ok(Vec::new());
    }
    let field = |field: binary::Field| {
        // What cannot be read of one field's type says nothing about the others.
        let (ty, size) = binary.resolve(field.ty).map_or_else(|error| (error.to_string(), 0), |ty| (ty.name, ty.size));
        Field { name: field.name, offset: field.offset, size, ty, embedded: field.embedded, elsewhere: None }
    };
    Ok(binary.fields(ty)?.into_iter().map(field).collect())
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::Int { .. } | Kind::Bits { .. } => "integer",
        Kind::Float { .. } => "float",
        Kind::Complex { .. } => "complex",
        Kind::String => "string",
        Kind::Slice => "slice",
        Kind::Array { .. } => "array",
        Kind::Map => "map",
        Kind::Pointer | Kind::UnsafePointer => "pointer",
        Kind::Interface { .. } => "interface",
        Kind::Struct => "struct",
        Kind::Union => "union",
        Kind::Variants => "enum",
        Kind::Func => "function",
        Kind::Chan => "channel",
    }
}

fn function(binary: &Binary, function: &binary::Function, inlined: Option<&Inlining>) -> Function {
    let entry = binary::entry_site(binary, function).map_err(|refusal| refusal.to_string());
    let returns = binary::return_sites(binary, function).map_err(|refusal| refusal.to_string());
    let chooses = function.role == Role::Resolver;
    Function {
        name: function.name.clone(),
        demangled: function.demangled().filter(|demangled| *demangled != function.name),
        address: function.address,
        size: function.size,
        convention: match function.convention {
            Convention::Go => "go",
            Convention::GoStack => "go-stack",
            Convention::Native => "native",
        },
        entry: Place::new(entry, chooses),
        returns: Place::new(returns, chooses),
        inlined_into: inlined.map(|inlining| inlining.callers.clone()).unwrap_or_default(),
        inlined: inlined.map_or(0, |inlining| inlining.count),
    }
}

impl<T> Place<T> {
    /// `chooses`: what stands there is not the function, but what chooses it when the program starts (an IFUNC).
    fn new(place: Result<T, String>, chooses: bool) -> Self {
        match place {
            _ if chooses => Self::Refused("the function is chosen when the program starts (an IFUNC)".to_owned()),
            Ok(place) => Self::At(place),
            Err(refusal) => Self::Refused(refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_stars_of_pointers_as_they_are() {
        for (pattern, name, expected) in [
            ("net/http.(*Request).Clone", "net/http.(*Request).Clone", true),
            ("net/http.(*Request).*", "net/http.(*Request).WithContext", true),
            ("net/http.(*Request).*", "net/http.(*response).WriteHeader", false),
            ("*.ServeHTTP", "net/http.serverHandler.ServeHTTP", true),
            ("main.Map[...]", "main.Map[...]", true),
            ("main.Map[...]", "main.Map.", false),
        ] {
            assert_eq!(matcher(pattern).unwrap().is_match(name), expected, "{pattern} {name}");
        }
    }
}

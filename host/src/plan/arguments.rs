//! Parameter lists in Go's syntax with full package paths: `h *app.Handler, w interface, r *app.Request -> n int, err error`. Only their
//! syntax; `types` says what the names stand for, and `registers` where the values are.

use super::path::is_identifier;

/// The longest list, in bytes, and the most parameters of one.
const LENGTH: usize = 4096;
const PARAMETERS: usize = 64;
/// How deep types may be nested.
const DEPTH: usize = 16;

/// What a function takes and gives back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    pub parameters: Vec<Parameter>,
    /// None where no arrow says where they begin.
    pub results: Option<Vec<Parameter>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// `_` for one that no path uses.
    pub name: String,
    pub ty: Expression,
}

/// A type as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// A basic type or one with its package's path.
    Named(String),
    Pointer(Box<Expression>),
    Slice(Box<Expression>),
    Array(u64, Box<Expression>),
    Map(Box<Expression>, Box<Expression>),
    Chan,
    Func,
    /// `interface`: one with methods. `any`: the empty one.
    Interface {
        empty: bool,
    },
    /// `pointer`: to something that does not matter.
    Opaque,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("arguments `{list}`: {message}")]
pub struct ArgumentsError {
    pub list: String,
    pub message: String,
}

pub fn parse(list: &str) -> Result<Signature, ArgumentsError> {
    signature(list)
        .map_err(|message| ArgumentsError { list: list.chars().take(LENGTH).collect(), message: message.to_owned() })
}

fn signature(list: &str) -> Result<Signature, String> {
    if list.len() > LENGTH {
        return Err(format!("longer than {LENGTH} bytes"));
    }
    let Some((before, after)) = list.split_once("->") else {
        return parameters(list, &[]).map(|parameters| Signature { parameters, results: None });
    };
    let parameters = self::parameters(before, &[])?;
    let results = self::parameters(after, &parameters)?;
    Ok(Signature { parameters, results: Some(results) })
}

/// `earlier` are those whose names may not be used again.
fn parameters(list: &str, earlier: &[Parameter]) -> Result<Vec<Parameter>, String> {
    if list.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut parameters: Vec<Parameter> = Vec::new();
    for item in split(list)? {
        let item = item.trim();
        let (name, ty) =
            item.split_once(char::is_whitespace).ok_or_else(|| format!("`{item}` is not a name and a type"))?;
        if !name.chars().all(is_identifier) || name.starts_with(|c: char| c.is_numeric()) {
            return Err(format!("`{name}` is not a name"));
        }
        if matches!(name, "g" | "kept") {
            return Err(format!("`{name}` means something else in paths"));
        }
        if name != "_" && earlier.iter().chain(&parameters).any(|earlier| earlier.name == name) {
            return Err(format!("`{name}` is there twice"));
        }
        if parameters.len() == PARAMETERS {
            return Err(format!("more than {PARAMETERS} of them"));
        }
        parameters.push(Parameter { name: name.to_owned(), ty: expression(ty.trim(), 0)? });
    }
    Ok(parameters)
}

/// At the commas outside of brackets.
fn split(list: &str) -> Result<Vec<&str>, String> {
    let (mut items, mut depth, mut start) = (Vec::new(), 0i32, 0);
    for (at, c) in list.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        if depth < 0 {
            break;
        }
    }
    if depth != 0 {
        return Err("brackets do not match".to_owned());
    }
    items.push(&list[start..]);
    Ok(items)
}

/// A type in Go's syntax.
pub fn expression(text: &str, depth: usize) -> Result<Expression, String> {
    if depth > DEPTH {
        return Err(format!("types nested deeper than {DEPTH}"));
    }
    let inner = |text: &str| expression(text.trim(), depth + 1).map(Box::new);
    if let Some(rest) = text.strip_prefix('*') {
        return Ok(Expression::Pointer(inner(rest)?));
    }
    if let Some(rest) = text.strip_prefix("[]") {
        return Ok(Expression::Slice(inner(rest)?));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (length, element) = rest.split_once(']').ok_or("`]` is missing")?;
        let length = length.parse().map_err(|_| format!("`{length}` is not an array's length"))?;
        return Ok(Expression::Array(length, inner(element)?));
    }
    if let Some(rest) = text.strip_prefix("map[") {
        let end = closing(rest).ok_or("the map's `]` is missing")?;
        return Ok(Expression::Map(inner(&rest[..end])?, inner(&rest[end + 1..])?));
    }
    if ["chan ", "chan<- ", "<-chan "].iter().any(|start| text.starts_with(start)) {
        return Ok(Expression::Chan);
    }
    // C has names of their own for these.
    let text = ["struct ", "union ", "enum "].iter().find_map(|tag| text.strip_prefix(tag)).unwrap_or(text).trim();
    match text {
        "pointer" | "unsafe.Pointer" => Ok(Expression::Opaque),
        "func" => Ok(Expression::Func),
        "interface" | "error" => Ok(Expression::Interface { empty: false }),
        "any" | "interface {}" | "interface{}" => Ok(Expression::Interface { empty: true }),
        _ if text.starts_with("func(") => Ok(Expression::Func),
        _ if text.is_empty() => Err("a type is missing".to_owned()),
        _ if text.starts_with("struct{") || text.starts_with("...") || text.contains(['{', '}']) => {
            Err(format!("`{text}` is not a type that can be stated here"))
        }
        _ if !text.contains('[') && text.contains(char::is_whitespace) => Err(format!("`{text}` is not a type")),
        _ => Ok(Expression::Named(text.to_owned())),
    }
}

fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    text.find(|c| match c {
        '[' => {
            depth += 1;
            false
        }
        ']' if depth == 0 => true,
        ']' => {
            depth -= 1;
            false
        }
        _ => false,
    })
}

impl std::fmt::Display for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Pointer(element) => write!(f, "*{element}"),
            Self::Slice(element) => write!(f, "[]{element}"),
            Self::Array(length, element) => write!(f, "[{length}]{element}"),
            Self::Map(key, value) => write!(f, "map[{key}]{value}"),
            Self::Chan => f.write_str("chan"),
            Self::Func => f.write_str("func"),
            Self::Interface { empty: true } => f.write_str("any"),
            Self::Interface { empty: false } => f.write_str("interface"),
            Self::Opaque => f.write_str("pointer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(list: &str, expected: Expect) {
        let actual = match parse(list) {
            Ok(Signature { parameters, results }) => {
                let text = |list: Vec<Parameter>| {
                    list.iter().map(|p| format!("{}: {}", p.name, p.ty)).collect::<Vec<_>>().join("; ")
                };
                text(parameters) + &results.map(|results| format!(" -> {}", text(results))).unwrap_or_default()
            }
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&actual);
    }

    #[test]
    fn reads_go_parameter_lists() {
        check("", expect![""]);
        check(
            "h a.b/c.Handler, w interface, r *a.b/c.Request",
            expect!["h: a.b/c.Handler; w: interface; r: *a.b/c.Request"],
        );
        check(
            "m map[string][]string, a [2]int, s []byte, _ pointer, _ pointer",
            expect!["m: map[string][]string; a: [2]int; s: []byte; _: pointer; _: pointer"],
        );
        check("m map[a.G[int]]*b.C", expect!["m: map[a.G[int]]*b.C"]);
        check("f func(int, string) error, c chan int, d chan<- int", expect!["f: func; c: chan; d: chan"]);
        check("a int -> n int, err error", expect!["a: int -> n: int; err: interface"]);
        check("->err error", expect![" -> err: interface"]);
        check("a <-chan int->", expect!["a: chan -> "]);
        check("p a.Pair[int,string], e error, x any", expect!["p: a.Pair[int,string]; e: interface; x: any"]);
    }

    #[test]
    fn reads_parameter_lists_of_c() {
        check(
            "s *SSL, p *struct item, i struct item, m enum mode, t structure",
            expect!["s: *SSL; p: *item; i: item; m: mode; t: structure"],
        );
    }

    #[test]
    fn refuses_what_is_no_parameter_list() {
        check("req", expect!["arguments `req`: `req` is not a name and a type"]);
        check("a int,", expect!["arguments `a int,`: `` is not a name and a type"]);
        check("a int, a int", expect!["arguments `a int, a int`: `a` is there twice"]);
        check("a int -> a int", expect!["arguments `a int -> a int`: `a` is there twice"]);
        check("a -> b int", expect!["arguments `a -> b int`: `a` is not a name and a type"]);
        check("g *runtime.g", expect!["arguments `g *runtime.g`: `g` means something else in paths"]);
        check("a [x]int", expect!["arguments `a [x]int`: `x` is not an array's length"]);
        check("a []", expect!["arguments `a []`: a type is missing"]);
        check("a map[string", expect!["arguments `a map[string`: brackets do not match"]);
        check(
            "a struct{x int}",
            expect!["arguments `a struct{x int}`: `struct{x int}` is not a type that can be stated here"],
        );
        assert!(parse(&format!("a {}int", "*".repeat(DEPTH + 1))).is_err());
    }
}

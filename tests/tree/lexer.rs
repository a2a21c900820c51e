//! As much of Rust's grammar as it takes to tell code from comments and texts, and to find paths in it.

/// The code without comments, texts and `#[cfg(test)]` modules, lines kept; and the texts with their lines.
pub fn code_and_texts(raw: &str) -> (String, Vec<(usize, String)>) {
    let (code, texts) = split(raw);
    let (start, end) = test_module(&code);
    let blank: String = code[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
    let line_of = |at: usize| code[..at].matches('\n').count() + 1;
    let (first, last) = (line_of(start), line_of(end));
    let outside = |line: usize| start == end || line < first || line > last;
    let texts = texts.into_iter().filter(|(line, _)| outside(*line)).collect();
    (format!("{}{blank}{}", &code[..start], &code[end..]), texts)
}

/// Replaces comments and the inside of texts by nothing.
fn split(raw: &str) -> (String, Vec<(usize, String)>) {
    let (mut code, mut texts) = (String::with_capacity(raw.len()), Vec::new());
    let (mut rest, mut line) = (raw, 1);
    while let Some(first) = rest.chars().next() {
        let (length, text) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), None)
        } else if rest.starts_with("/*") {
            (block_comment(rest), None)
        } else if first == '"' {
            let length = text_length(rest);
            (length, Some(&rest[1..length.saturating_sub(1).max(1)]))
        } else if let Some((length, inside)) = raw_text(rest).filter(|_| !code.ends_with(is_word)) {
            (length, Some(inside))
        } else if first == '\'' {
            (character(rest), None)
        } else {
            line += usize::from(first == '\n');
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        if let Some(text) = text {
            texts.push((line, text.to_owned()));
            code.push_str("\"\"");
        }
        let breaks = rest[..length].matches('\n').count();
        code.push_str(&"\n".repeat(breaks));
        line += breaks;
        rest = &rest[length..];
    }
    (code, texts)
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Length and inside of `r"..."` or `r#"..."#`.
fn raw_text(rest: &str) -> Option<(usize, &str)> {
    let after = rest.strip_prefix("br").or(rest.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let inside = after[hashes..].strip_prefix('"')?;
    let end = inside.find(&format!("\"{}", "#".repeat(hashes)))?;
    Some((rest.len() - inside.len() + end + 1 + hashes, &inside[..end]))
}

/// Length of a character literal; of the quote alone where it begins a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let after = at + escaped.len_utf8();
            rest[after..].find('\'').map_or(1, |end| after + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

/// Where the first `#[cfg(test)] mod ... { ... }` stands; an empty range where there is none.
fn test_module(code: &str) -> (usize, usize) {
    let nowhere = (code.len(), code.len());
    // A field or statement may be for tests only as well.
    let mut marks = code.match_indices("#[cfg(test)]");
    let follows = |start: usize| code[start + "#[cfg(test)]".len()..].trim_start();
    let Some((start, _)) = marks.find(|(start, _)| follows(*start).starts_with("mod ")) else { return nowhere };
    let after = follows(start);
    let Some(open) = after.find(['{', ';']) else { return nowhere };
    let open = code.len() - after.len() + open;
    let mut depth = 0_usize;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (start, open + at + 1);
        }
    }
    nowhere
}

/// The child modules that stand in files of their own: `mod x;`.
pub fn children(code: &str) -> Vec<String> {
    let declared = |line: &str| {
        let line = line.trim().strip_suffix(';')?;
        let name = line.rsplit_once("mod ").filter(|(before, _)| before.is_empty() || before.starts_with("pub"))?.1;
        name.chars().all(is_word).then(|| name.to_owned())
    };
    code.lines().filter_map(declared).collect()
}

/// Every path `a::b::c` with its line; `a::{b, c::d}` is two.
pub fn paths(code: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let (mut rest, mut before, mut line) = (code, ' ', 1);
    while let Some(first) = rest.chars().next() {
        let starts = first.is_alphabetic() && !is_word(before) && before != ':';
        if !starts {
            before = first;
            line += usize::from(first == '\n');
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let mut paths = Vec::new();
        let after = tree(rest, &mut Vec::new(), &mut paths);
        before = 'x';
        found.extend(paths.into_iter().filter(|path| path.len() > 1).map(|path| (line, path)));
        line += rest[..rest.len() - after.len()].matches('\n').count();
        rest = after;
    }
    found
}

/// Reads one path, or a use tree, and answers what follows it.
fn tree<'a>(mut rest: &'a str, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let depth = prefix.len();
    loop {
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if length > 0 {
            prefix.push(rest[..length].to_owned());
        }
        rest = &rest[length..];
        let Some(after) = rest.trim_start().strip_prefix("::") else { break };
        rest = after.trim_start();
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside.trim_start();
            while !rest.is_empty() && !rest.starts_with('}') {
                let length = rest.len();
                rest = tree(rest, prefix, found).trim_start();
                // A rename, a glob or a comma.
                let skipped = rest.find([',', '}']).unwrap_or(rest.len());
                rest = rest[skipped..].trim_start_matches(',').trim_start();
                if rest.len() == length {
                    break;
                }
            }
            rest = rest.strip_prefix('}').unwrap_or(rest);
            prefix.truncate(depth);
            return rest;
        }
    }
    found.push(prefix.clone());
    prefix.truncate(depth);
    rest
}

/// True where `line` has `word` and not as a part of a longer one.
pub fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let joined = |a: Option<char>, b: Option<char>| a.is_some_and(is_word) && b.is_some_and(is_word);
        let end = at + word.len();
        !joined(line[..at].chars().last(), word.chars().next())
            && !joined(word.chars().last(), line[end..].chars().next())
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_texts_are_no_code() {
        let raw = "a // b\n/* c /* d */ e */ f(\"g \\\" h\", 'i', '\\'', b\"j\", r#\"k \" l\"#) <'m>\n\"n\"";
        let (code, texts) = code_and_texts(raw);
        assert_eq!(code, "a \n f(\"\", , , b\"\", \"\") <m>\n\"\"");
        let texts: Vec<(usize, &str)> = texts.iter().map(|(line, text)| (*line, text.as_str())).collect();
        assert_eq!(texts, [(2, "g \\\" h"), (2, "j"), (2, "k \" l"), (3, "n")]);
    }

    #[test]
    fn test_modules_are_no_code() {
        let (code, texts) = code_and_texts("x\n#[cfg(test)]\nmod tests { fn a() { \"t\" } }\ny \"u\"");
        assert_eq!(code.split_whitespace().collect::<String>(), "xy\"\"");
        assert_eq!((code.lines().count(), texts.len()), (4, 1));
    }

    #[test]
    fn paths_and_use_trees_are_found() {
        let code =
            "use crate::{a::B, c::{d, E as F}};\npub use x::*;\nlet y = super::super::z::f::<crate::g::H>(I::j, k);";
        let found: Vec<String> =
            paths(code).into_iter().map(|(line, path)| format!("{line} {}", path.join("::"))).collect();
        let wanted = [
            "1 crate::a::B",
            "1 crate::c::d",
            "1 crate::c::E",
            "2 x",
            "3 super::super::z::f",
            "3 crate::g::H",
            "3 I::j",
        ];
        assert_eq!(found, wanted.iter().filter(|path| path.contains("::")).copied().collect::<Vec<_>>());
        assert_eq!(children("mod a;\npub mod b;\npub(crate) mod c;\nmod d { }\nlet e;"), ["a", "b", "c"]);
    }

    #[test]
    fn words_are_whole() {
        assert!(
            has_word("use std::fs;", "std::fs")
                && has_word("log::info!()", "log")
                && has_word("x.elapsed()", ".elapsed()")
        );
        assert!(!has_word("catalog", "log") && !has_word("logged", "log") && !has_word("eprintln!()", "println!"));
    }
}

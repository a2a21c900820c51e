//! Looks through programs that only start another one: `nice`, `ionice`, `env`, `timeout`, `sudo`, `stdbuf`, `chrt`,
//! `setsid`, `nohup`, and `sh -c` with a simple command. What is not understood is no wrapper: the mover is then unknown
//! and is left as it is, which is no error.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// How a wrapper's options are spelled, as far as the program behind it is to be found.
struct Spelling {
    name: &'static str,
    /// Short options that take a value.
    short: &'static str,
    /// Long options that take a value, where they carry no `=`.
    long: &'static [&'static str],
    /// Words between the options and the program.
    words: usize,
    /// `NAME=VALUE` may come before the program.
    variables: bool,
    /// Short options with which it starts no program, or does not wait for it.
    otherwise: &'static str,
}

const fn spelling(name: &'static str, short: &'static str, long: &'static [&'static str]) -> Spelling {
    Spelling { name, short, long, words: 0, variables: false, otherwise: "" }
}

const WRAPPERS: [Spelling; 9] = [
    spelling("nice", "n", &["--adjustment"]),
    Spelling { otherwise: "pPu", ..spelling("ionice", "cn", &["--class", "--classdata"]) },
    Spelling { variables: true, otherwise: "S", ..spelling("env", "uC", &["--unset", "--chdir"]) },
    Spelling { words: 1, ..spelling("timeout", "ks", &["--kill-after", "--signal"]) },
    Spelling {
        variables: true,
        otherwise: "lveibs",
        ..spelling(SUDO, "ugpCDhrtTUR", &["--user", "--group", "--prompt", "--chdir", "--host", "--role", "--type"])
    },
    spelling("stdbuf", "ioe", &["--input", "--output", "--error"]),
    Spelling {
        words: 1,
        otherwise: "pm",
        ..spelling("chrt", "TPD", &["--sched-runtime", "--sched-period", "--sched-deadline"])
    },
    Spelling { otherwise: "f", ..spelling("setsid", "", &[]) },
    spelling("nohup", "", &[]),
];
/// The one that closes descriptors which it does not know.
const SUDO: &str = "sudo";
/// Shells, as far as their `-c` is understood.
const SHELLS: [&str; 4] = ["sh", "bash", "dash", "ash"];

/// What is behind the wrappers of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// The mover's name, without its folder.
    pub name: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// At which of the command line's arguments its own begin; `None` where they stand within a script.
    pub at: Option<usize>,
    /// A descriptor that is opened for it reaches it.
    pub keeps_descriptors: bool,
    /// Every command of a script that is more than a simple command; then the mover is the shell.
    pub script: Vec<Vec<OsString>>,
}

/// Finds the mover of a command line.
pub fn look_through(program: &OsString, arguments: &[OsString]) -> Behind {
    let words: Vec<OsString> = std::iter::once(program).chain(arguments).cloned().collect();
    let mut behind = of_words(&words);
    if let Some(commands) = script(&words[words.len() - behind.arguments.len() - 1..]) {
        match commands.as_slice() {
            [simple] => {
                let inner = of_words(simple);
                let keeps_descriptors = behind.keeps_descriptors && inner.keeps_descriptors;
                behind = Behind { at: None, keeps_descriptors, ..inner };
            }
            _ => behind.script = commands,
        }
    }
    behind
}

/// Through the plain wrappers.
fn of_words(words: &[OsString]) -> Behind {
    let (mut start, mut keeps_descriptors) = (0, true);
    while let Some(step) = program_after(&words[start..]) {
        keeps_descriptors &= base(&words[start]) != SUDO;
        start += step;
    }
    Behind {
        name: words.get(start).map(base).unwrap_or_default().to_owned(),
        arguments: words.get(start + 1..).unwrap_or_default().to_vec(),
        at: Some(start),
        keeps_descriptors,
        script: Vec::new(),
    }
}

fn base(word: &OsString) -> &OsStr {
    Path::new(word).file_name().unwrap_or(word)
}

/// Where the program is that a wrapper starts; `None` where the first word is no wrapper.
fn program_after(words: &[OsString]) -> Option<usize> {
    let name = base(words.first()?);
    let wrapper = WRAPPERS.iter().find(|wrapper| name == wrapper.name)?;
    let mut at = 1;
    while let Some(text) = words.get(at).map(|word| word.to_string_lossy()) {
        at += 1;
        if text == "--" {
            break;
        } else if text.starts_with("--") {
            at += usize::from(wrapper.long.contains(&text.as_ref()));
        } else if text.starts_with('-') && text.len() > 1 {
            if text.chars().any(|letter| wrapper.otherwise.contains(letter)) {
                return None;
            }
            let valued = text.char_indices().skip(1).find(|(_, letter)| wrapper.short.contains(*letter));
            at += usize::from(valued.is_some_and(|(place, letter)| place + letter.len_utf8() == text.len()));
        } else if text != "-" {
            at -= 1;
            break;
        }
    }
    while wrapper.variables && words.get(at).is_some_and(|word| word.to_string_lossy().contains('=')) {
        at += 1;
    }
    at += wrapper.words;
    (at < words.len()).then_some(at)
}

/// The commands of `sh -c SCRIPT`.
fn script(words: &[OsString]) -> Option<Vec<Vec<OsString>>> {
    let (shell, arguments) = words.split_first()?;
    if !SHELLS.iter().any(|name| base(shell) == *name) {
        return None;
    }
    let is_option = |word: &OsString| word.to_string_lossy().starts_with('-');
    let options = arguments.iter().take_while(|word| is_option(word));
    let has_c =
        options.clone().any(|word| !word.to_string_lossy().starts_with("--") && word.to_string_lossy().contains('c'));
    let text = arguments.get(options.count()).filter(|_| has_c)?;
    let mut commands = commands(text.to_str()?);
    for command in &mut commands {
        if command.first().is_some_and(|word| word == "exec") {
            command.remove(0);
        }
    }
    commands.retain(|command| !command.is_empty());
    Some(commands)
}

/// Splits a script into its commands and these into words, as far as quotes and redirections go. A script with loops,
/// conditions or substitutions comes out as more than one command.
fn commands(text: &str) -> Vec<Vec<OsString>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut is_target = false;
    let mut letters = text.chars().peekable();
    let end_word = |word: &mut Option<String>, commands: &mut Vec<Vec<OsString>>, is_target: &mut bool| {
        if let Some(word) = word.take()
            && !std::mem::take(is_target)
            && let Some(command) = commands.last_mut()
        {
            command.push(OsString::from(word));
        }
    };
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => {
                let quoted = letters.by_ref().take_while(|letter| *letter != '\'');
                word.get_or_insert_default().extend(quoted);
            }
            '"' => {
                let word = word.get_or_insert_default();
                while let Some(letter) = letters.next().filter(|letter| *letter != '"') {
                    let escaped = (letter == '\\').then(|| letters.next_if(|next| "\\\"$`".contains(*next))).flatten();
                    word.push(escaped.unwrap_or(letter));
                }
            }
            '\\' => word.get_or_insert_default().extend(letters.next()),
            '>' | '<' => {
                // The number before it is the descriptor; what follows is a file or `&1`.
                if word.as_ref().is_some_and(|word| word.chars().all(|letter| letter.is_ascii_digit())) {
                    word = None;
                }
                end_word(&mut word, &mut commands, &mut is_target);
                while letters.next_if(|next| ">&|".contains(*next)).is_some() {}
                is_target = true;
            }
            ' ' | '\t' => end_word(&mut word, &mut commands, &mut is_target),
            ';' | '|' | '&' | '\n' | '(' | ')' | '`' => {
                end_word(&mut word, &mut commands, &mut is_target);
                commands.push(Vec::new());
            }
            _ => word.get_or_insert_default().push(letter),
        }
    }
    end_word(&mut word, &mut commands, &mut is_target);
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(line: &[&str]) -> (String, usize, Option<usize>) {
        let words: Vec<OsString> = line.iter().map(OsString::from).collect();
        let behind = look_through(&words[0], &words[1..]);
        (behind.name.to_string_lossy().into_owned(), behind.arguments.len(), behind.at)
    }
    fn words(line: &str) -> (String, usize, Option<usize>) {
        behind(&line.split(' ').collect::<Vec<_>>())
    }

    #[test]
    fn the_mover_is_found_behind_each_wrapper() {
        for (line, at) in [
            ("/usr/bin/qemu-img convert a b", 0),
            ("nice qemu-img convert a b", 1),
            ("nice -n 19 qemu-img convert a b", 3),
            ("nice -n19 qemu-img convert a b", 2),
            ("nice --adjustment=5 /usr/bin/qemu-img convert a b", 2),
            ("nice --adjustment 5 qemu-img convert a b", 3),
            ("ionice -c2 -n 7 qemu-img convert a b", 4),
            ("env -i -u X LANG=C PATH=/bin qemu-img convert a b", 6),
            ("timeout -k 5 --signal=INT 2h qemu-img convert a b", 5),
            ("sudo -nu root -- qemu-img convert a b", 4),
            ("stdbuf -oL -e 0 qemu-img convert a b", 4),
            ("chrt -b 0 qemu-img convert a b", 3),
            ("setsid -w qemu-img convert a b", 2),
            ("nohup nice ionice -c 3 timeout 5 qemu-img convert a b", 7),
        ] {
            assert_eq!(words(line), ("qemu-img".to_owned(), 3, Some(at)), "{line}");
        }
    }

    #[test]
    fn what_starts_no_program_is_no_wrapper() {
        for (line, name) in [("ionice -p 5", "ionice"), ("nice", "nice"), ("setsid -f x y", "setsid"), ("env", "env")] {
            assert_eq!(words(line).0, name, "{line}");
        }
        assert_eq!(words("timeout 5").0, "timeout");
    }

    #[test]
    fn a_simple_command_of_a_shell_is_looked_into() {
        for script in [
            "qemu-img convert a b",
            "exec nice 'qemu-img' convert \"a\" b 2>/dev/null",
            " qemu-img convert a b >log 2>&1",
        ] {
            assert_eq!(behind(&["sh", "-c", script]), ("qemu-img".to_owned(), 3, None), "{script}");
        }
        assert_eq!(behind(&["nice", "bash", "-ec", "qemu-img convert 'a b' c\\ d"]), ("qemu-img".to_owned(), 3, None));
        for script in ["qemu-img convert a b; true", "cd x && qemu-img convert a b", "pv -n a | dd of=b"] {
            let words: Vec<OsString> = ["sh", "-c", script].iter().map(OsString::from).collect();
            let behind = look_through(&words[0], &words[1..]);
            assert_eq!((behind.name.to_str(), behind.script.len() > 1), (Some("sh"), true), "{script}");
        }
        assert_eq!(behind(&["sh", "script.sh"]).0, "sh");
    }

    #[test]
    fn sudo_passes_no_descriptors_on() {
        let keeps = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            look_through(&words[0], &words[1..]).keeps_descriptors
        };
        assert_eq!((keeps("nice nbdcopy a b"), keeps("nice sudo nbdcopy a b")), (true, false));
    }
}

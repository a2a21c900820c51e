//! Which mover a command line is, how its progress can be had, and what has to be added for that.
//!
//! `nbdcopy` and `qemu-img convert` are asked for their progress, also behind `nice` and the like; `pv`, `rsync`,
//! migratekit and virt-v2v are known as far as their figures need it; anything else is read for what looks like progress.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::gauge::Habit;
use super::percent::{Hints, Numbers, Text};
use super::reading::Heard;
use super::total::TotalSource;
use super::vm_mover::Errand;
use super::wrapper::{self, Behind};
use super::{nbdcopy, qemu_img};

/// Largest number of a descriptor that a progress pipe is made for.
const DESCRIPTOR_MAX: i32 = 255;

/// How a stream of the mover is read.
#[derive(Debug)]
pub enum Tap {
    /// Not at all: it stays the mover's own.
    None,
    /// Passed on and looked at for error messages only.
    Plain,
    /// nbdcopy's progress lines.
    Nbdcopy(nbdcopy::Lines),
    /// qemu-img's progress marks.
    QemuImg(qemu_img::Marks),
    /// Figures in text.
    Text(Text),
}

impl Tap {
    /// Takes the next bytes, after which the mover pauses, and tells each figure in them.
    pub fn feed(&mut self, chunk: &[u8], tell: &mut dyn FnMut(Heard)) {
        match self {
            Self::None | Self::Plain => {}
            Self::Nbdcopy(lines) => lines.feed(chunk, tell),
            Self::QemuImg(marks) => marks.feed(chunk, tell),
            Self::Text(text) => {
                text.feed(chunk, tell);
                text.pause(tell);
            }
        }
    }
}

/// A mover's command line, ready to be run.
#[derive(Debug)]
pub struct Mover {
    /// The program, as given.
    pub program: OsString,
    /// Its arguments, with what was added.
    pub arguments: Vec<OsString>,
    /// How its standard output is read.
    pub stdout: Tap,
    /// How its standard error is read.
    pub stderr: Tap,
    /// The descriptor that gets a pipe of its own for progress lines.
    pub progress_descriptor: Option<i32>,
    /// Whom to ask for the total.
    pub source: Option<TotalSource>,
    /// How its shares are to be taken.
    pub habit: Habit,
    /// What a mover of a whole VM tells of its job; `None` for a mover of one disk.
    pub errand: Option<Errand>,
}

impl Mover {
    /// Knows the mover by its program's name, behind wrappers too.
    pub fn of(program: OsString, arguments: Vec<OsString>) -> Self {
        let behind = wrapper::look_through(&program, &arguments);
        let errand = Errand::of(&behind.name, &behind.arguments);
        let text = |hints| Tap::Text(Text::with(hints));
        let hints = hints(&behind);
        let (stdout, stderr) = (text(hints), text(hints));
        let (progress_descriptor, source, habit) = (None, None, Habit::default());
        let mover = Self { program, arguments, stdout, stderr, progress_descriptor, source, habit, errand };
        if behind.name == "nbdcopy" {
            mover.nbdcopy(&behind)
        } else if behind.name == "qemu-img" && behind.arguments.first().is_some_and(|word| word == "convert") {
            mover.qemu_img(&behind)
        } else {
            mover
        }
    }
    /// The program's name without its folder, for messages; at most 100 characters.
    pub fn name(&self) -> String {
        let name = Path::new(&self.program).file_name().unwrap_or(&self.program);
        name.to_string_lossy().chars().map(|c| if c.is_control() { '?' } else { c }).take(100).collect()
    }

    /// nbdcopy's standard output is left alone: it may be the copy itself.
    fn nbdcopy(mut self, behind: &Behind) -> Self {
        let read = nbdcopy::NbdcopyArguments::read(&behind.arguments);
        let lines = || Tap::Nbdcopy(nbdcopy::Lines::default());
        (self.stdout, self.stderr, self.progress_descriptor) = match (read.progress, behind.at) {
            (nbdcopy::ProgressOption::Unasked, Some(at)) if behind.keeps_descriptors => {
                self.arguments.insert(at, "--progress=3".into());
                (Tap::None, Tap::Plain, Some(3))
            }
            (nbdcopy::ProgressOption::Unasked, _) => (Tap::None, Tap::Plain, None),
            (nbdcopy::ProgressOption::Bar, _) => (Tap::None, Tap::Text(Text::default()), None),
            (nbdcopy::ProgressOption::Descriptor(1), _) => (lines(), Tap::Plain, None),
            (nbdcopy::ProgressOption::Descriptor(2), _) => (Tap::None, lines(), None),
            (nbdcopy::ProgressOption::Descriptor(n @ 3..=DESCRIPTOR_MAX), _) => (Tap::None, Tap::Plain, Some(n)),
            (nbdcopy::ProgressOption::Descriptor(_), _) => (Tap::None, Tap::Plain, None),
        };
        (self.source, self.habit) = (TotalSource::of_nbdcopy(&read), read.habit());
        self
    }

    fn qemu_img(mut self, behind: &Behind) -> Self {
        let read = qemu_img::QemuImgArguments::read(&behind.arguments[1..]);
        if let Some(at) = behind.at.filter(|_| !read.progress && !read.quiet) {
            self.arguments.insert(at + 1, "-p".into());
        }
        (self.source, self.habit) = (TotalSource::of_qemu_img(&read), read.habit());
        (self.stdout, self.stderr) = (Tap::QemuImg(qemu_img::Marks::default()), Tap::Plain);
        self
    }
}

/// What the command lines of `pv`, `rsync` and virt-v2v tell of their figures, also within a script.
fn hints(behind: &Behind) -> Hints {
    let script = behind.script.iter().filter_map(|command| {
        let (program, arguments) = command.split_first()?;
        let inner = wrapper::look_through(program, arguments);
        Some((inner.name, inner.arguments))
    });
    let mut hints = Hints::default();
    for (name, arguments) in script.chain([(behind.name.clone(), behind.arguments.clone())]) {
        match name.to_str() {
            Some("pv") if has_option(&arguments, 'n', "--numeric") => {
                let is_count = has_option(&arguments, 'b', "--bytes");
                hints.numbers = Some(if is_count { Numbers::Bytes } else { Numbers::Percent });
            }
            Some("rsync") => hints.files = has_several_files(&arguments),
            Some("virt-v2v") => hints.headings = true,
            _ => {}
        }
    }
    hints
}

fn has_option(arguments: &[OsString], short: char, long: &str) -> bool {
    arguments.iter().map(|word| word.to_string_lossy()).take_while(|word| word != "--").any(|word| {
        word == long
            || word.strip_prefix('-').is_some_and(|cluster| !cluster.starts_with('-') && cluster.contains(short))
    })
}

/// rsync's percent is of one file among several, unless an option says otherwise or it has just one.
fn has_several_files(arguments: &[OsString]) -> bool {
    let is_of_all = |word: &OsString| word.to_string_lossy().contains("progress2");
    let words = arguments.iter().filter(|word| !OsStr::new(word).to_string_lossy().starts_with('-')).count();
    let recurses = has_option(arguments, 'r', "--recursive") || has_option(arguments, 'a', "--archive");
    !arguments.iter().any(is_of_all) && (recurses || words != 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mover(line: &str) -> Mover {
        let mut words = line.split(' ').map(OsString::from);
        Mover::of(words.next().expect("a program"), words.collect())
    }

    #[test]
    fn nbdcopy_is_asked_for_its_progress_unless_it_has_been() {
        let plain = mover("/usr/bin/nbdcopy nbd://h x");
        assert_eq!((plain.arguments[0].to_str(), plain.progress_descriptor), (Some("--progress=3"), Some(3)));
        assert_eq!(plain.name(), "nbdcopy");
        let asked = mover("nbdcopy --progress=7 nbd://h x");
        assert_eq!((asked.arguments.len(), asked.progress_descriptor), (3, Some(7)));
        assert!(matches!(mover("nbdcopy --progress=2 a b").stderr, Tap::Nbdcopy(_)));
        assert!(matches!(mover("nbdcopy --progress=1 a b").stdout, Tap::Nbdcopy(_)));
        assert!(matches!(mover("nbdcopy -p a b").stderr, Tap::Text(_)));
        assert_eq!(mover("nbdcopy --progress=100000 a b").progress_descriptor, None);
    }

    #[test]
    fn qemu_img_convert_is_asked_for_its_progress_unless_it_has_been() {
        assert_eq!(mover("qemu-img convert -O raw a b").arguments[..2], ["convert", "-p"]);
        assert_eq!(mover("qemu-img convert -p a b").arguments.len(), 4);
        assert_eq!(mover("qemu-img convert -q a b").arguments.len(), 4);
        assert!(matches!(mover("qemu-img create a 1G").stdout, Tap::Text(_)));
    }

    #[test]
    fn a_mover_behind_a_wrapper_is_asked_as_without_it() {
        assert_eq!(
            mover("nice -n 19 qemu-img convert a b").arguments,
            ["-n", "19", "qemu-img", "convert", "-p", "a", "b"]
        );
        let nbdcopy = mover("timeout 5 /usr/bin/nbdcopy a b");
        assert_eq!((nbdcopy.arguments[2].to_str(), nbdcopy.progress_descriptor), (Some("--progress=3"), Some(3)));
        assert_eq!(mover("sudo nbdcopy a b").arguments.len(), 3, "sudo closes the descriptor");
        let shell = Mover::of("sh".into(), vec!["-c".into(), "qemu-img convert -p a b".into()]);
        assert!(matches!(shell.stdout, Tap::QemuImg(_)) && shell.source.is_some());
    }

    #[test]
    fn figures_are_taken_as_the_command_line_tells() {
        let of = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            hints(&wrapper::look_through(&words[0], &words[1..]))
        };
        assert_eq!((of("pv -n a").numbers, of("pv -nb a").numbers), (Some(Numbers::Percent), Some(Numbers::Bytes)));
        assert_eq!((of("pv a").numbers, of("nice pv --numeric a").numbers), (None, Some(Numbers::Percent)));
        assert!(of("rsync -a --progress a b").files && of("rsync -P a b c").files);
        assert!(!of("rsync -a --info=progress2 a b").files && !of("rsync -P a b").files);
        assert!(of("virt-v2v web01 -o null").headings);
        let script = wrapper::look_through(&"sh".into(), &["-c".into(), "pv -n a | ssh h 'cat > b'".into()]);
        assert_eq!(hints(&script).numbers, Some(Numbers::Percent));
    }

    #[test]
    fn any_other_mover_is_left_as_it_is() {
        let other = mover("sh script nbdcopy");
        assert_eq!((other.arguments.len(), other.source), (2, None));
    }
}

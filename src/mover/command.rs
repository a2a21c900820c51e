//! Which mover a command line is, how its progress can be had, and what has to be added for that.
//!
//! Only `nbdcopy` and `qemu-img convert` are known by name; anything else is read for percent figures.

use std::ffi::OsString;
use std::path::Path;

use super::gauge::Habit;
use super::reading::Reading;
use super::total::Source;
use super::{nbdcopy, percent, qemu_img};

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
    /// Percent figures in text.
    Text(percent::Text),
}

impl Tap {
    /// Takes the next bytes and tells each figure in them.
    pub fn feed(&mut self, chunk: &[u8], tell: &mut dyn FnMut(Reading)) {
        match self {
            Self::None | Self::Plain => {}
            Self::Nbdcopy(lines) => lines.feed(chunk, tell),
            Self::QemuImg(marks) => marks.feed(chunk, tell),
            Self::Text(text) => text.feed(chunk, tell),
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
    pub source: Option<Source>,
    /// How its shares are to be taken.
    pub habit: Habit,
}

impl Mover {
    /// Knows the mover by its program's name.
    pub fn of(program: OsString, arguments: Vec<OsString>) -> Self {
        let name = Path::new(&program).file_name().unwrap_or_default().to_owned();
        if name == "nbdcopy" {
            Self::nbdcopy(program, arguments)
        } else if name == "qemu-img" && arguments.first().is_some_and(|word| word == "convert") {
            Self::qemu_img(program, arguments)
        } else {
            let (stdout, stderr) = (Tap::Text(percent::Text::default()), Tap::Text(percent::Text::default()));
            Self {
                program,
                arguments,
                stdout,
                stderr,
                progress_descriptor: None,
                source: None,
                habit: Habit::default(),
            }
        }
    }
    /// The program's name without its folder, for messages; at most 100 characters.
    pub fn name(&self) -> String {
        let name = Path::new(&self.program).file_name().unwrap_or(&self.program);
        name.to_string_lossy().chars().map(|c| if c.is_control() { '?' } else { c }).take(100).collect()
    }

    /// nbdcopy's standard output is left alone: it may be the copy itself.
    fn nbdcopy(program: OsString, mut arguments: Vec<OsString>) -> Self {
        let read = nbdcopy::Arguments::read(&arguments);
        let lines = || Tap::Nbdcopy(nbdcopy::Lines::default());
        let (stdout, stderr, progress_descriptor) = match read.progress {
            nbdcopy::Progress::Unasked => {
                arguments.insert(0, "--progress=3".into());
                (Tap::None, Tap::Plain, Some(3))
            }
            nbdcopy::Progress::Bar => (Tap::None, Tap::Text(percent::Text::default()), None),
            nbdcopy::Progress::Descriptor(1) => (lines(), Tap::Plain, None),
            nbdcopy::Progress::Descriptor(2) => (Tap::None, lines(), None),
            nbdcopy::Progress::Descriptor(n @ 3..=DESCRIPTOR_MAX) => (Tap::None, Tap::Plain, Some(n)),
            nbdcopy::Progress::Descriptor(_) => (Tap::None, Tap::Plain, None),
        };
        let (source, habit) = (Source::of_nbdcopy(&read), read.habit());
        Self { program, arguments, stdout, stderr, progress_descriptor, source, habit }
    }

    fn qemu_img(program: OsString, mut arguments: Vec<OsString>) -> Self {
        let read = qemu_img::Arguments::read(&arguments[1..]);
        if !read.progress && !read.quiet {
            arguments.insert(1, "-p".into());
        }
        let (source, habit) = (Source::of_qemu_img(&read), read.habit());
        let stdout = Tap::QemuImg(qemu_img::Marks::default());
        Self { program, arguments, stdout, stderr: Tap::Plain, progress_descriptor: None, source, habit }
    }
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
    fn any_other_mover_is_left_as_it_is() {
        let other = mover("sh -c nbdcopy");
        assert_eq!((other.arguments.len(), other.source), (2, None));
    }
}

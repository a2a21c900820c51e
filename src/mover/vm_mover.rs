//! Movers that copy a whole VM by themselves, disk after disk: migratekit and virt-v2v. Their command lines name the VM
//! and perhaps the job.

use std::ffi::{OsStr, OsString};

use super::options;
use crate::model::id::JobId;

/// What the command line of such a mover tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Errand {
    /// The VM's inventory path, or virt-v2v's name of the guest.
    pub vm: Option<String>,
    /// The job.
    pub job: Option<JobId>,
}

/// Options of virt-v2v that take the next argument where they carry no `=`; those of one letter and more with one dash too.
const V2V_WITH_VALUE: [&str; 35] = [
    "-b",
    "-i",
    "-ic",
    "-if",
    "-io",
    "-ip",
    "-it",
    "-n",
    "-o",
    "-oa",
    "-oc",
    "-of",
    "-on",
    "-oo",
    "-op",
    "-os",
    "--block-driver",
    "--bridge",
    "--colour",
    "--cache",
    "--compressed-format",
    "--io",
    "--key",
    "--mac",
    "--network",
    "--parallel",
    "--root",
    "--password-file",
    "--memsize",
    "--vdsm-image-uuid",
    "--vdsm-vol-uuid",
    "--vdsm-vm-uuid",
    "--vdsm-ovf-output",
    "--ip",
    "--smp",
];

impl Errand {
    /// Reads the arguments after the program's name; `None` where the program copies no whole VM.
    pub fn of(name: &OsStr, arguments: &[OsString]) -> Option<Self> {
        if name == "migratekit" {
            Some(Self::of_migratekit(arguments))
        } else if name == "virt-v2v" {
            Some(Self::of_virt_v2v(arguments))
        } else {
            None
        }
    }

    fn of_migratekit(arguments: &[OsString]) -> Self {
        let mut errand = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let text = argument.to_string_lossy();
            let (name, value) = options::long(&text, &["--vmware-path", "--path", "--job-id"], &mut rest);
            let value = value.and_then(|value| value.into_string().ok());
            match name {
                "--vmware-path" | "--path" => errand.vm = value.or(errand.vm),
                "--job-id" => errand.job = value.and_then(|value| JobId::parse(&value).ok()).or(errand.job),
                _ => {}
            }
        }
        errand
    }

    fn of_virt_v2v(arguments: &[OsString]) -> Self {
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let text = argument.to_string_lossy();
            if text == "--" {
                break;
            } else if text.starts_with('-') {
                options::long(&text, &V2V_WITH_VALUE, &mut rest);
            } else {
                return Self { vm: Some(text.into_owned()), job: None };
            }
        }
        Self { vm: rest.next().map(|guest| guest.to_string_lossy().into_owned()), job: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (Option<String>, Option<String>) {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let errand = Errand::of(&words[0], &words[1..]).expect("such a mover");
        (errand.vm, errand.job.map(|job| job.to_string()))
    }

    #[test]
    fn the_command_line_names_vm_and_job() {
        let some = |text: &str| Some(text.to_owned());
        let line = "migratekit migrate --vmware-endpoint h --vmware-path /DC0/vm/web01 --job-id=job-1 --debug";
        assert_eq!(read(line), (some("/DC0/vm/web01"), some("job-1")));
        assert_eq!(read("migratekit cutover --path=/DC0/vm/a"), (some("/DC0/vm/a"), None));
        assert_eq!(
            read("virt-v2v -ic vpx://u@h/DC -it vddk -io vddk-libdir=/x web01 -o local -os /y"),
            (some("web01"), None)
        );
        assert_eq!(read("virt-v2v -i vmx --root first /x/web01.vmx"), (some("/x/web01.vmx"), None));
        assert_eq!(read("virt-v2v -v -- web01"), (some("web01"), None));
        assert_eq!(Errand::of(OsStr::new("nbdcopy"), &[]), None);
    }
}

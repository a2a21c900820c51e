//! The help texts, each of at most 80 columns. The top one fits a screen and explains the four words that all others use.

/// Every command, for `waybill help COMMAND` and for suggestions.
pub const COMMANDS: [&str; 18] = [
    "vma",
    "oma",
    "demo",
    "run",
    "jobs",
    "show",
    "watch",
    "log",
    "history",
    "vms",
    "plan",
    "track",
    "cancel",
    "finish",
    "db",
    "pki",
    "enroll",
    "check-config",
];

/// `waybill --help`.
pub const TOP: &str = "\
waybill - how far the replication of VMware VMs has come, shown and remembered

A job replicates one VM's disks. The mover (migratekit, nbdcopy, qemu-img ...)
copies the blocks and reports to the VMA, the appliance beside vCenter. The OMA,
the appliance beside the target storage, asks the VMA every 2 s and remembers.

Usage: waybill COMMAND [ARGUMENTS]        waybill COMMAND --help tells more

See what happens (reads the database file, with or without a daemon):
  jobs            all jobs: how far, how fast, how long still
  show JOB        all about one job: disks, stages, log, errors
  watch [JOB]     the same as it changes, until the job ends
  log JOB         what happened to a job, on both sides, in order
  history [JOB]   what ended runs left behind: change ids, bytes, durations
  vms             each VM: its last good run, and if the next is incremental

Make it happen:
  plan            ask vCenter how much there is to copy, and from where on
  run             run a mover and report for it
  track JOB       let the OMA follow a job
  cancel JOB      end a job that is tracked, with a reason
  finish JOB      say that a job has ended, where its mover cannot

Look after it:
  db              check the database, back it up, archive what ended long ago

Set it up:
  vma             run the VMA's daemon
  oma             run the OMA's daemon
  pki             the OMA's authority: invite VMAs, list and revoke certificates
  enroll          turn a token of the OMA into this VMA's certificate
  check-config    find the mistakes in a configuration file
  demo            see all of it work on this machine

Examples:
  waybill run --job web01 --disk disk-2000 -- nbdcopy nbd://src nbd://dst
  waybill track web01 --vma site-a && waybill watch web01

Exit codes: 0 done, 1 failed, 2 usage, 3 configuration, 4 not found,
5 unreachable or silent, 6 refused by the state of the job, 7 faults found.
";

/// `waybill plan --help`.
pub const PLAN: &str = "\
Ask vCenter how much there is to copy of a VM's disks before anything is copied,
and whether the change ids can be trusted from which it is to start.

Usage: waybill plan --config FILE --vm PATH [--previous DISK=CHANGEID]...
       waybill plan --config FILE --job JOB [--json]

  --config FILE   the VMA's configuration with its section [vcenter]
  --vm PATH       inventory path (/DC0/vm/web01) or managed object id (vm-57)
  --previous DISK=CHANGEID
                  where an incremental of this disk would start. DISK is
                  disk-<device key>, a node as scsi0:1, or a label; without it
                  the disk is planned as a full copy
  --job JOB       the VM, disks and change ids that the VMA knows of this job
  --json          one JSON object with every disk

TO COPY rests on BASIS: cbt-allocated (areas that VMware tracks as allocated),
cbt-delta (areas changed SINCE), layout (sizes of the disk's files), capacity.
VERDICT is sound, estimated (CBT did not tell), suspect (do not start from that
change id), or left out (VMware takes no snapshot of it). NEXT is the disk's
change id in the VM's current snapshot. Nothing is changed in vCenter.

Examples:
  waybill plan --config /etc/waybill/vma.toml --vm /DC0/vm/web01
  waybill plan --config /etc/waybill/vma.toml --vm /DC0/vm/web01 \\
    --previous 'disk-2000=52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81'

Exit codes: 0 done, 1 vCenter refuses, 2 usage, 3 configuration or secrets,
4 no such VM or job, 5 vCenter does not answer or is not the one that is
trusted, 7 a change id is suspect, or a disk is missing.
";

/// `waybill vma --help`.
pub const VMA: &str = "\
Run the daemon of the VMA, the source appliance: movers push their progress to
it, the OMA polls it.

Usage: waybill vma --config FILE

  --config FILE   the configuration, as /etc/waybill/vma.toml

It runs until SIGTERM. Check the file first with `waybill check-config FILE`.

Example:
  waybill vma --config /etc/waybill/vma.toml

Exit codes: 0 stopped by a signal, 1 failed, 2 usage, 3 configuration.
";

/// `waybill oma --help`.
pub const OMA: &str = "\
Run the daemon of the OMA, the target appliance: it polls the VMAs and remembers
every job in SQLite.

Usage: waybill oma --config FILE

  --config FILE   the configuration, as /etc/waybill/oma.toml

It runs until SIGTERM. Check the file first with `waybill check-config FILE`.

Example:
  waybill oma --config /etc/waybill/oma.toml

Exit codes: 0 stopped by a signal, 1 failed, 2 usage, 3 configuration.
";

/// `waybill jobs --help`.
pub const JOBS: &str = "\
List the jobs that run, and those that ended in the last 24 hours.

Usage: waybill jobs [--all] [--status S]... [--json] [--db FILE]

  --all       also jobs that ended earlier, and each older run by its full id
  --status S  only those of this status, as Streaming or Failed; several times
  --json      one JSON object a line, with every stored column, the disks, and
              how the job stands: well, failed, unknown or silent
  --db FILE   the database; without it WAYBILL_DB, else the one that
              /etc/waybill/oma.toml names, else that of vma.toml

Of a job that was started again under its id, the newest run is listed, as
`nightly (run 365)`; older ones that have ended are left out. The plain id means
the newest run in every command, `nightly~1` the first, `nightly~2` the second.

It reads the file alone: a daemon may run or not. REPORT is how long ago the
mover last reported; NOTE is what a job waits for, or how it ended, and \"fresh\"
while all is well. In a narrow terminal columns are left out; NO_COLOR turns
colour off.

Examples:
  waybill jobs
  waybill jobs --json | jq -r 'select(.status == \"failed\") | .error_message'

Exit codes: 0 done (also where there is no job), 1 the database cannot be read,
2 usage, 3 no database is known.
";

/// `waybill show --help`.
pub const SHOW: &str = "\
Show everything that is remembered of one job: progress, what it waits for, what
was tried and what to do, its error and since when, disks with their change ids,
stages, the log.

Usage: waybill show JOB [--json] [--check] [--db FILE]

  JOB         the newest run of that id; JOB~1 is the first, JOB~2 the second
  --json      one JSON object, with all entries of the log
  --check     let the exit code say how the job stands
  --db FILE   the database; without it WAYBILL_DB, else the one that
              /etc/waybill/oma.toml names, else that of vma.toml

Examples:
  waybill show job-20250925-134230.513-8034ee
  waybill show web01 --check >/dev/null || echo look after web01

Exit codes: 0 done, 1 the database cannot be read, 2 usage, 3 no database is
known, 4 no such job. With --check: 0 it goes on or has ended well, 1 it or a
disk of it has failed, 4 its VMA no longer knows it, 5 tunnel, VMA, mover or
this appliance's daemon is silent, or such a silence has failed it.
";

/// `waybill watch --help`.
pub const WATCH: &str = "\
Watch one job until it ends, or all jobs until you interrupt it.

Usage: waybill watch [JOB] [--json] [--db FILE]

  JOB         the newest run of that id; JOB~1 is the first, JOB~2 the second
  --json      one JSON object for each change of a row, as `waybill jobs --json`
  --db FILE   the database; without it WAYBILL_DB, else the one that
              /etc/waybill/oma.toml names, else that of vma.toml

On a terminal the picture is drawn anew every second: bar, bytes, present rate,
elapsed and remaining time, each disk, the stages that are done and those to
come, what is worked on or waited for. Elsewhere it is one line for each change
of status, stage, contact or disk, and for each percent. NO_COLOR turns colour
off.

Examples:
  waybill watch
  waybill watch web01 >>web01.log && echo web01 is there

Exit codes: 0 the job has ended well (without JOB: interrupted), 1 it has
failed, or the database cannot be read, 2 usage, 3 no database is known, 4 no
such job, 5 a silence has failed it, 130 interrupted before its end.
";

/// `waybill log --help`.
pub const LOG: &str = "\
Tell what happened to one job on both sides of the tunnel, in one order: stages,
statuses, silences, refusals, change ids, ends, each with its time, its distance
from the beginning and who says so: OMA, VMA or both.

Usage: waybill log JOB [--since AGE|TIME] [--follow] [--json] [--db FILE]

  JOB         the newest run of that id; JOB~1 is the first, JOB~2 the second
  --since AGE|TIME
              only what came after it: 10m ago, or 2026-11-23T17:14:00Z
  --follow    go on printing what comes, until the job ends
  --json      one JSON object a line, with its \"side\" (\"oma\" or \"vma\") and the
              figures behind each entry; each side's entries are their own
  --db FILE   the database; without it WAYBILL_DB, else the one that
              /etc/waybill/oma.toml names, else that of vma.toml

The OMA's database has both sides, also when the tunnel is down or the VMA gone;
a VMA's has its own. The times are of the machine that wrote the entry. Where
the clocks differ, a cause may stand below its effect; the order within a side
is always right. What both sides say within 5 s is one line, the VMA's.

Examples:
  waybill log web01
  waybill log web01 --since 1h --follow
  waybill log web01 --json | jq -r 'select(.level != \"info\") | .message'

Exit codes: 0 done, 1 the database cannot be read, 2 usage, 3 no database is
known, 4 no such job. With --follow: 130 interrupted before the job's end.
";

/// `waybill history --help`.
pub const HISTORY: &str = "\
List what each ended run left behind of each disk: how it ended, bytes, length,
and the change ids from which the next incremental starts. Oldest first.

Usage: waybill history [JOB] [--all | --verify] [--json] [--db FILE]

  JOB         all runs of that id; JOB~1 is the first alone, JOB~2 the second
  --all       also rows that a later one of the same run supersedes
  --verify    draw the chain of each disk, and say whether each incremental
              started where the last good run ended; with JOB, the whole chain
              of each disk which its runs have
  --json      one JSON object a line
  --db FILE   the database; without it WAYBILL_DB, else the one that
              /etc/waybill/oma.toml names, else that of vma.toml

In a chain, O is a full copy, | an incremental that joins on, x a run that
failed, ! a fault: a gap, a reset, a counter that fell, a change id used twice,
missing or suspect, a run built on a failed one. A full copy mends the faults
before it; these are still named, and no longer count.

Examples:
  waybill history web01
  waybill history --json | jq -r 'select(.sync_success) | .change_id'
  waybill history --verify >/dev/null || echo copy a disk in full

Exit codes: 0 done (also where no run has ended), 1 the database cannot be read,
2 usage, 3 no database is known, 4 no such job. With --verify: 7 there are
faults that no later run has mended.
";

/// `waybill vms --help`.
pub const VMS: &str = "\
List the VMs: the job that runs now, the last run that ended well, how many have
ended and failed, and whether the next run can be incremental.

Usage: waybill vms [--json] [--db FILE]

  --json      one JSON object a line, with every disk
  --db FILE   the database; without it WAYBILL_DB, else the one that
              /etc/waybill/oma.toml names, else that of vma.toml

NEXT is incremental if each disk's chain of change ids is whole, as `waybill
history --verify` judges it; else it is full, and WHY names a disk and its
fault. A job that has not named its VM by a path is of none of these.

Examples:
  waybill vms
  waybill vms --json | jq -r 'select(.incremental | not) | .vm_path'

Exit codes: 0 done (also if no VM is known), 1 the database or an archive
cannot be read, 2 usage, 3 no database is known.
";

/// `waybill db --help`.
pub const DB: &str = "\
Look after the database file, with or without a daemon.

Usage: waybill db check [--json] [--db FILE]
       waybill db backup [TO] [--db FILE]
       waybill db archive --older-than AGE [--to FILE] [--db FILE]

  check     is the file sound, and do its rows keep the rules
  backup    a copy of it at one moment
  archive   move what ended long ago to another file

`waybill db check --help`, and so on, tells more.

Examples:
  waybill db check
  waybill db backup /srv/backup/oma.db
  waybill db archive --older-than 90d

Exit codes: 0 done, 1 failed, 2 usage, 3 no database is known, 7 faults found.
";

/// `waybill db check --help`.
pub const DB_CHECK: &str = "\
Look for damage in the database file and for rows that break waybill's rules.
It only reads, also while a daemon writes.

Usage: waybill db check [--json] [--db FILE]

  --json      one JSON object a line for each rule, with what was found
  --db FILE   the database; without it WAYBILL_DB, else the one that
              /etc/waybill/oma.toml names, else that of vma.toml

It looks at every page, row and index, at the tables, triggers and views, and at
what must hold between rows. Each fault comes with what to do about it.

Example:
  waybill db check --db /srv/backup/oma.db

Exit codes: 0 all is well, 1 the database cannot be read, 2 usage, 3 no database
is known, 7 faults found.
";

/// `waybill db backup --help`.
pub const DB_BACKUP: &str = "\
Copy the database as it is at this moment, also while a daemon writes. The copy
is one file, on the disk and checked when the command ends.

Usage: waybill db backup [TO] [--db FILE]

  TO          the file to make (default: beside the database, with the time in
              its name); one that is there is never overwritten
  --db FILE   the database; without it WAYBILL_DB, else the one that
              /etc/waybill/oma.toml names, else that of vma.toml

To restore one: stop the daemon, move the database, its -wal and its -shm away,
copy the backup into its place with the same owner and mode, start the daemon.

Example:
  waybill db backup /srv/backup/oma-$(date +%F).db

Exit codes: 0 copied, 1 failed, 2 usage, 3 no database is known, 7 copied, and
the copy has the faults that the database has.
";

/// `waybill db archive --help`.
pub const DB_ARCHIVE: &str = "\
Move the jobs that ended long ago, with their disks, steps, logs and history, to
another SQLite file of the same tables. Nothing else ever deletes from an OMA's
database. The last good row of each disk's history stays: the next incremental
starts there.

Usage: waybill db archive --older-than AGE [--to FILE] [--db FILE]

  --older-than AGE   how long ago, as 90d; s, m, h and d are units
  --to FILE          the archive, made where it is missing (default: beside the
                     database, oma-archive.db for oma.db)
  --db FILE          the database; without it WAYBILL_DB, else the one that
                     /etc/waybill/oma.toml names, else that of vma.toml

Rows are copied and synced there, compared, and only then removed here, so that
it may be cut short and repeated at any time, also while the daemon writes. The
file keeps its size; its free pages are used again. `waybill history`, `show`
and `log` look into the archive by themselves. In a sqlite3 shell:
  ATTACH '/var/lib/waybill/oma-archive.db' AS archive;
  SELECT * FROM cbt_history UNION SELECT * FROM archive.cbt_history;

Example:
  waybill db archive --older-than 90d

Exit codes: 0 moved (also where nothing was old enough), 1 failed, 2 usage, 3 no
database is known.
";

/// `waybill cancel --help`.
pub const CANCEL: &str = "\
End a job that the OMA tracks: its row becomes `failed` with your reason, and
its VMA is told. A mover under `waybill run` is ended by it, any other is not.

Usage: waybill cancel JOB --reason TEXT [--oma URL]

  --reason TEXT   why; it stands in the row as `cancelled: TEXT`
  --oma URL       the OMA, on this machine; else WAYBILL_OMA,
                  `listen` of /etc/waybill/oma.toml, http://127.0.0.1:8082

Example:
  waybill cancel web01 --reason \"wrong target volume\"

Exit codes: 0 cancelled, 1 failed, 2 usage, 4 no such job, 5 the OMA does not
answer, or another program answers there, 6 refused: the job has ended.
";

/// `waybill track --help`.
pub const TRACK: &str = "\
Let the OMA follow a job that a VMA carries, now or soon: it may be tracked
before it is known there. What is said of it here is declared to the VMA too.
The next runs of the id (JOB~2 ...) are followed without being tracked again.

Usage: waybill track JOB --vma NAME [--vm PATH] [--disk ID]... [--disks N]
                         [--oma URL]

  --vma NAME   the VMA, as the OMA's configuration names it in [[vma]]
  --vm PATH    the VM's inventory path, as /DC0/vm/web01: without it the change
               ids of the job serve no later run; it may be given after the end
  --disk ID    a disk of the job, as disk-2000; may be given several times
  --disks N    how many disks the job has, if their ids are not known: it ends
               when so many are completed and have their change ids
  --oma URL    the OMA, on this machine; else WAYBILL_OMA,
               `listen` of /etc/waybill/oma.toml, http://127.0.0.1:8082

Until its mover reports, a job may be tracked again with other disks.

Examples:
  waybill track web01 --vma site-a --vm /DC0/vm/web01 --disks 2
  waybill track web01 --vma site-a --disk disk-2000 --disk disk-2001

Exit codes: 0 tracked (also where it was already), 1 failed, as for a VMA that
the OMA does not know, 2 usage, 5 the OMA does not answer, or another
program answers there, 6 it contradicts what is known.
";

/// `waybill finish --help`.
pub const FINISH: &str = "\
Say that a job has ended. A mover that copies disk after disk never says so; a
job then shows \"all known disks done, waiting for finish\".

Usage: waybill finish JOB [--failed TEXT] [--vma URL | --oma URL]

  --failed TEXT   it failed, for this reason; without it, it succeeded
  --vma URL       the VMA that carries it, on this machine; else WAYBILL_VMA,
                  `listen` of /etc/waybill/vma.toml, http://127.0.0.1:8081
  --oma URL       tell the OMA instead

Examples:
  waybill finish web01
  waybill finish web01 --failed \"snapshot could not be removed\"

Exit codes: 0 finished (also where it had ended so before), 1 failed, 2 usage,
4 no such job, 5 no answer, 6 refused: the job has ended otherwise, or a disk of
it is not completed.
";

/// `waybill check-config --help`.
pub const CHECK_CONFIG: &str = "\
Find all mistakes in a configuration file, each with its line and a remedy.
Nothing is started or changed.

Usage: waybill check-config FILE [--role vma|oma]

  --role      what the file configures, where its keys and name do not tell

Example:
  waybill check-config /etc/waybill/oma.toml

Exit codes: 0 valid, 2 usage, 3 mistakes found or the file cannot be read.
";

/// `waybill enroll --help`.
pub const ENROLL: &str = "\
Make this VMA known to its OMA: turn a token into a certificate. The private key
is made here and never leaves this machine.

Usage: waybill enroll [--config FILE] [--oma HOST:PORT] [--token-file FILE]
       waybill enroll [--config FILE] --request FILE
       waybill enroll [--config FILE] --certificate FILE

  --config FILE       the VMA's configuration (default /etc/waybill/vma.toml)
  --oma HOST:PORT     the OMA's port 443 (default: the one of [tunnel])
  --token-file FILE   a file with the token, not readable by everybody; without
                      it the token is read from the terminal or from stdin
  --request FILE      where no connection to the OMA is possible: make a key and
                      a request, to be signed there with `waybill pki issue`;
                      - prints it
  --certificate FILE  ... and install what that printed

The token carries the fingerprint of the OMA's authority: an OMA that is not the
right one never sees it. Certificate, key and authority go to the files that
[tunnel], else [tls], names; what was there is kept beside them as
*.waybill-old. The daemon renews the certificate by itself.

Example: waybill enroll --token-file /run/token

Exit codes: 0 done, 1 failed, 2 usage, 3 configuration, 5 unreachable, 6 the
OMA refuses the token.
";

/// `waybill run --help`.
pub const RUN: &str = "\
Run a mover and report for it to the VMA.

Usage: waybill run --job J --disk D [options] -- COMMAND [ARGUMENT]...
       waybill run --job J --disk D -- COMMAND... --then --disk E -- COMMAND...

  --job J              the job, by its id or a name that was declared for it
  --disk D             the disk that COMMAND copies, by its id within the job;
                       once for each where COMMAND copies one after another
  --vm PATH            declare the job with this VM, as /DC0/vm/web01
  --vma URL            the VMA, on this machine (default WAYBILL_VMA from the
                       environment, else http://127.0.0.1:8081)
  --total BYTES        how much is to be copied, where COMMAND's own tools
                       cannot tell
  --last               this was the job's last disk: its end is the job's
  --no-finish          end the disk only; something else ends the job
  --again              go on although the job was cancelled
  --keep-running       let COMMAND run on when the job is cancelled meanwhile
  --report-grace TIME  how long to insist on the last reports after COMMAND's
                       end: 90, 90s, 5m (default 60s)

nbdcopy and qemu-img convert are asked for their progress by themselves, also
behind nice, ionice, env, timeout, stdbuf, chrt and setsid; within sh -c and
behind sudo they are read as they are. Understood are also dd, pv, rsync,
rclone, and of any other COMMAND bars, `12%` and `N/100` where the line looks
like progress; what is no progress, as `97% full`, is passed over. migratekit
and virt-v2v copy a VM's disks one after another: their bars tell stage and
disk, their arguments name VM and job, and --disk may be left out. What COMMAND
writes is passed through. Its own last count of bytes beats --total.

When COMMAND ends with status 0 the disk is completed. The job has succeeded
once all its disks are completed, and only where they are declared or counted,
or --last is given: a job of unknown size goes on, and that is said. With --then
waybill declares all disks, copies them in turn, stops at the first COMMAND that
fails, and ends the job after the last; COMMAND itself can then have no argument
--then. Where COMMAND fails, disk and job are failed, with the last lines of its
standard error as the reason.

A VMA that does not answer never stops a copy. A job that was cancelled does:
nothing is started for it, and what runs gets SIGTERM, and after 10 s SIGKILL.
Any other end of the job is only said. If waybill itself is killed, COMMAND gets
SIGTERM.

Examples:
  waybill run --job web01 --disk disk-2000 --last -- nbdcopy nbd://src out.img
  waybill run --job web01 --disk disk-2000 -- nbdcopy A B \\
       --then --disk disk-2001 -- nbdcopy C D

Exit codes: COMMAND's own; 128+N if signal N killed it, 127 if there is no such
program, 126 if it cannot be run, 2 if this command line is wrong, 6 if the job
was cancelled and nothing is started.
";

/// `waybill demo --help`.
pub const DEMO: &str = "\
Show waybill at work: a real copy of two disks, once in full and once what has
changed, tracked from the first byte to cbt_history.

Usage: waybill demo [--dir DIR]

  --dir DIR   where images, databases and the log go and stay (default: a new
              folder in the system's folder for temporary files)

Both appliances run in this process and talk over real sockets. nbdkit and
nbdcopy copy the disks where they are installed, else qemu-img, else dd.

Example:
  waybill demo --dir /tmp/look

Exit codes: 0 both runs were tracked to `completed`, 1 failed, 2 usage.
";

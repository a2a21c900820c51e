//! What movers and people do to the appliances: jobs are declared and tracked, movers push, somebody looks.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::http::Connection;

/// How often a mover pushes (`wire.md`), and how often the OMA polls.
pub const BEAT: Duration = Duration::from_secs(2);
/// Bytes that a mover adds with each push: 100 MiB/s.
const STEP: u64 = 200 << 20;
const CAPACITY: u64 = 100 << 30;
/// How often somebody looks at a job.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Jobs that are made over one connection at a time.
const MAKERS: usize = 8;

/// The id of the job of that number.
pub fn job_id(number: usize) -> String {
    format!("job-20250925-134230.513-{number:05}")
}

/// The number in a job's id.
pub fn number_of(id: &str) -> Option<usize> {
    id.rsplit_once('-')?.1.parse().ok()
}

/// Declares all jobs to the VMA and has the OMA track them.
pub fn make_jobs(jobs: usize, disks: usize, vma: SocketAddr, oma: SocketAddr) -> io::Result<()> {
    let makers: Vec<_> = (0..MAKERS)
        .map(|maker| {
            std::thread::spawn(move || {
                let (mut vma, mut oma) = (Connection::to(vma)?, Connection::to(oma)?);
                for job in (maker..jobs).step_by(MAKERS) {
                    let id = job_id(job);
                    vma.demand("PUT", &format!("/api/v1/jobs/{id}"), &declaration(job, disks))?;
                    oma.demand("POST", "/api/v1/jobs", &format!("{{\"id\":{id:?},\"vma\":\"bench\"}}"))?;
                }
                Ok(())
            })
        })
        .collect();
    makers.into_iter().try_for_each(|maker| maker.join().unwrap_or_else(|_| Err(io::Error::other("a maker panicked"))))
}

fn declaration(job: usize, disks: usize) -> String {
    let disk = |disk: usize| {
        let key = 2000 + disk;
        format!(
            "{{\"id\":\"disk-{key}\",\"label\":\"Hard disk {}\",\"device_key\":{key},\"capacity_bytes\":{CAPACITY},\
             \"export\":{{\"name\":\"migration-vm-{job}-disk{disk}\",\"device\":\"/dev/vd{disk}\"}}}}",
            disk + 1
        )
    };
    let disks: Vec<String> = (0..disks).map(disk).collect();
    let vm = format!("{{\"name\":\"web-{job:05}\",\"path\":\"/DC0/vm/web-{job:05}\"}}");
    format!("{{\"vm\":{vm},\"sync\":\"full\",\"disks\":[{}]}}", disks.join(","))
}

/// Movers and somebody who looks, until they are stopped.
pub struct Load {
    stop: &'static AtomicBool,
    movers: Vec<JoinHandle<io::Result<Vec<Answer>>>>,
    looker: JoinHandle<io::Result<Vec<Answer>>>,
}

/// When a request was sent and how long its answer took.
pub type Answer = (Instant, Duration);

impl Load {
    /// Starts as many connections as told; over each go the pushes of an equal share of the jobs, spread over the beat.
    pub fn start(jobs: usize, connections: usize, vma: SocketAddr) -> Self {
        // The bench does this once and ends.
        let stop: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        let begun = Instant::now();
        let movers = (0..connections)
            .map(|mover| std::thread::spawn(move || push(mover, connections, jobs, vma, begun, stop)))
            .collect();
        let looker = std::thread::spawn(move || look(jobs, vma, stop));
        Self { stop, movers, looker }
    }
    /// Ends it: the answers to pushes, and to those who looked.
    pub fn stop(self) -> io::Result<(Vec<Answer>, Vec<Answer>)> {
        self.stop.store(true, Ordering::Relaxed);
        let gone = |_| Err(io::Error::other("a mover panicked"));
        let mut pushes = Vec::new();
        for mover in self.movers {
            pushes.extend(mover.join().unwrap_or_else(gone)?);
        }
        Ok((pushes, self.looker.join().unwrap_or_else(gone)?))
    }
}

fn push(
    mover: usize,
    movers: usize,
    jobs: usize,
    vma: SocketAddr,
    begun: Instant,
    stop: &AtomicBool,
) -> io::Result<Vec<Answer>> {
    let mut vma = Connection::to(vma)?;
    let mut answers = Vec::new();
    for beat in 1.. {
        let moved = (STEP * beat).min(CAPACITY - 1);
        for job in (mover..jobs).step_by(movers) {
            if stop.load(Ordering::Relaxed) {
                return Ok(answers);
            }
            let share = u32::try_from(job).unwrap_or(u32::MAX);
            let whole = u32::try_from(jobs).unwrap_or(u32::MAX);
            let at = begun + BEAT * u32::try_from(beat - 1).unwrap_or(u32::MAX) + BEAT * share / whole;
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            let (path, body) = (format!("/api/v1/progress/{}/update", job_id(job)), update(moved));
            let sent = Instant::now();
            vma.demand("POST", &path, &body)?;
            answers.push((sent, sent.elapsed()));
        }
    }
    Ok(answers)
}

fn update(moved: u64) -> String {
    let percent = moved as f64 * 100.0 / CAPACITY as f64;
    format!(
        "{{\"stage\":\"Transfer\",\"status\":\"in_progress\",\"bytes_transferred\":{moved},\"total_bytes\":{CAPACITY},\
         \"throughput_bps\":{},\"percent\":{percent:.2},\"disk_id\":\"disk-2000\"}}",
        STEP / 2
    )
}

/// Asks for one job's document after the other, in an order that touches far-apart ones.
fn look(jobs: usize, vma: SocketAddr, stop: &AtomicBool) -> io::Result<Vec<Answer>> {
    let mut vma = Connection::to(vma)?;
    let mut answers = Vec::new();
    for turn in 0_usize.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let path = format!("/api/v1/progress/{}", job_id(turn.wrapping_mul(7919) % jobs));
        let sent = Instant::now();
        vma.demand("GET", &path, "")?;
        answers.push((sent, sent.elapsed()));
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(answers)
}

//! A small VMA for the tests of `waybill run`: a real listener that records what it gets, knows jobs as far as a
//! wrapper can tell, and can misbehave.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// How it answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Mood {
    /// As a VMA does.
    Well,
    /// Every request with this status.
    Status(u16),
    /// Never.
    Stalled,
    /// `finish` with 409 and this detail, anything else well.
    RefusesFinish(&'static str),
    /// A declaration with 409 and this detail, anything else well.
    RefusesDeclaration(&'static str),
}

/// One recorded request.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub body: Value,
}

/// What it knows of a job.
#[derive(Debug, Default)]
struct Job {
    status: String,
    error: Option<String>,
    vm_path: Option<String>,
    disk_count: Option<usize>,
    /// Disk -> (its status, and whether it was declared).
    disks: BTreeMap<String, (String, bool)>,
}

#[derive(Debug)]
struct State {
    mood: Mood,
    seen: Vec<Seen>,
    jobs: BTreeMap<String, Job>,
    /// Job as pushed to -> the run that it counts to.
    runs: BTreeMap<String, String>,
}

/// The listener; its threads end with the test's process.
pub struct FieldVma {
    pub url: String,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl FieldVma {
    pub fn start(mood: Mood) -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").expect("a free port"), mood)
    }
    pub fn listen(listener: TcpListener, mood: Mood) -> Self {
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let state = State { mood, seen: Vec::new(), jobs: BTreeMap::new(), runs: BTreeMap::new() };
        let shared = Arc::new((Mutex::new(state), Condvar::new()));
        let for_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let shared = Arc::clone(&for_thread);
                thread::spawn(move || serve(connection, &shared));
            }
        });
        Self { url, shared }
    }
    /// Makes a job known as if it had been declared, with its disks and their status.
    pub fn knows(&self, job: &str, status: &str, disks: &[(&str, &str)]) {
        let disks = disks.iter().map(|(disk, status)| ((*disk).to_owned(), ((*status).to_owned(), true))).collect();
        let job_doc = Job { status: status.to_owned(), disks, ..Job::default() };
        self.shared.0.lock().expect("state").jobs.insert(job.to_owned(), job_doc);
    }
    /// Says how many disks a job has.
    pub fn counts(&self, job: &str, disks: usize) {
        let mut state = self.shared.0.lock().expect("state");
        let known = state.jobs.entry(job.to_owned()).or_default();
        known.disk_count = Some(disks);
        if known.status.is_empty() {
            known.status = "Queued".to_owned();
        }
    }
    /// Ends a job as an operator would.
    pub fn ends(&self, job: &str, status: &str, error: &str) {
        let mut state = self.shared.0.lock().expect("state");
        let known = state.jobs.entry(job.to_owned()).or_default();
        (known.status, known.error) = (status.to_owned(), Some(error.to_owned()));
    }
    pub fn change_mood(&self, mood: Mood) {
        self.shared.0.lock().expect("state").mood = mood;
    }
    /// Everything that was asked, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.0.lock().expect("state").seen.clone()
    }
    /// The bodies of the pushes, in order.
    pub fn pushes(&self) -> Vec<Value> {
        self.seen().into_iter().filter(|seen| seen.target.ends_with("/update")).map(|seen| seen.body).collect()
    }
    /// The bodies of the finish requests with the job that they name, in order.
    pub fn finishes(&self) -> Vec<(String, Value)> {
        let is_finish = |seen: &Seen| seen.target.ends_with("/finish");
        self.seen().into_iter().filter(is_finish).map(|seen| (job_in(&seen.target), seen.body)).collect()
    }
    /// The bodies of the declarations with the job that they name, in order.
    pub fn declarations(&self) -> Vec<(String, Value)> {
        let puts = self.seen().into_iter().filter(|seen| seen.method == "PUT");
        puts.map(|seen| (job_in(&seen.target), seen.body)).collect()
    }
    /// Waits until a push is such; fails the test after 20 s.
    pub fn wait_for_push(&self, what: &str, is_such: impl Fn(&Value) -> bool) {
        self.wait_for(what, |seen| seen.target.ends_with("/update") && is_such(&seen.body));
    }
    /// Waits until the job was asked for so many times; fails the test after 20 s.
    pub fn wait_for_questions(&self, count: usize) {
        let (state, bell) = &*self.shared;
        let is_missing = |state: &mut State| state.seen.iter().filter(|seen| seen.method == "GET").count() < count;
        let state = state.lock().expect("state");
        let (state, waited) = bell.wait_timeout_while(state, Duration::from_secs(20), is_missing).expect("state");
        assert!(!waited.timed_out(), "no {count} questions within 20 s, but {:#?}", state.seen);
    }
    pub fn wait_for(&self, what: &str, is_such: impl Fn(&Seen) -> bool) {
        let (state, bell) = &*self.shared;
        let (state, waited) = bell
            .wait_timeout_while(state.lock().expect("state"), Duration::from_secs(20), |state| {
                !state.seen.iter().any(&is_such)
            })
            .expect("state");
        assert!(!waited.timed_out(), "no {what} within 20 s, but {:#?}", state.seen);
    }
}

fn serve(connection: TcpStream, shared: &(Mutex<State>, Condvar)) {
    let mut writer = connection.try_clone().expect("a second handle");
    let mut reader = BufReader::new(connection);
    while let Some(seen) = read_request(&mut reader) {
        let answer = {
            let mut state = shared.0.lock().expect("state");
            state.seen.push(seen.clone());
            shared.1.notify_all();
            answer(&mut state, &seen)
        };
        let Some((status, body)) = answer else {
            // Keeps the connection open until the other side gives it up.
            let _ = reader.read(&mut [0]);
            return;
        };
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
        if writer.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        match line.trim_end() {
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    let mut words = lines.first()?.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let length = lines.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { method, target, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
}

fn answer(state: &mut State, seen: &Seen) -> Option<(u16, String)> {
    match state.mood.clone() {
        Mood::Stalled => None,
        Mood::Status(status) => Some((status, json!({"title": "out of order"}).to_string())),
        Mood::RefusesFinish(detail) if seen.target.ends_with("/finish") => {
            Some((409, json!({"title": "not now", "detail": detail}).to_string()))
        }
        Mood::RefusesDeclaration(detail) if seen.method == "PUT" => {
            Some((409, json!({"title": "not now", "detail": detail}).to_string()))
        }
        Mood::Well | Mood::RefusesFinish(_) | Mood::RefusesDeclaration(_) => Some(well(state, seen)),
    }
}

fn well(state: &mut State, seen: &Seen) -> (u16, String) {
    let job = job_in(&seen.target);
    let run = state.runs.get(&job).cloned().unwrap_or(job.clone());
    if seen.method == "GET" {
        return state.jobs.get(&run).map_or((404, json!({"title": "no such job"}).to_string()), |known| {
            (200, document(&run, known).to_string())
        });
    }
    let is_final = state.jobs.get(&run).is_some_and(|known| known.status == "Succeeded" || known.status == "Failed");
    if seen.method == "PUT" {
        return if is_final { (409, json!({"title": "it has ended"}).to_string()) } else { declare(state, &run, seen) };
    }
    if seen.target.ends_with("/finish") {
        if let Some(known) = state.jobs.get_mut(&run) {
            known.status = seen.body["status"].as_str().unwrap_or_default().to_owned();
            known.error = seen.body["error"].as_str().map(str::to_owned);
        }
        return (200, "{}".to_owned());
    }
    let text = |key: &str| seen.body[key].as_str().unwrap_or_default().to_owned();
    let is_copy = text("stage") == "Transfer";
    let run = if is_final && !is_copy { format!("{job}~2") } else { run };
    state.runs.insert(job, run.clone());
    let known =
        state.jobs.entry(run.clone()).or_insert_with(|| Job { status: "Streaming".to_owned(), ..Job::default() });
    if is_copy && known.status != "Failed" {
        let status = match text("status").as_str() {
            "completed" => "Completed",
            "failed" => "Failed",
            _ => "Streaming",
        };
        known.disks.entry(text("disk_id")).or_default().0 = status.to_owned();
    }
    (200, json!({"status": "success", "job_id": run}).to_string())
}

fn document(job: &str, known: &Job) -> Value {
    let disk = |(id, (status, declared)): (&String, &(String, bool))| json!({"id": id, "status": status, "declared": declared, "bytes_transferred": 0});
    let disks: Vec<Value> = known.disks.iter().map(disk).collect();
    let vm = known.vm_path.as_ref().map(|path| json!({"path": path}));
    json!({"job_id": job, "stage": "Transfer", "status": known.status, "error": known.error, "disks": disks,
           "aggregate": {"total_bytes": 0, "bytes_transferred": 0}, "vm": vm, "disk_count": known.disk_count})
}

fn declare(state: &mut State, job: &str, seen: &Seen) -> (u16, String) {
    let known =
        state.jobs.entry(job.to_owned()).or_insert_with(|| Job { status: "Queued".to_owned(), ..Job::default() });
    if let Some(path) = seen.body["vm"]["path"].as_str() {
        known.vm_path = Some(path.to_owned());
    }
    for disk in seen.body["disks"].as_array().into_iter().flatten().filter_map(|disk| disk["id"].as_str()) {
        known.disks.insert(disk.to_owned(), ("Queued".to_owned(), true));
    }
    (200, "{}".to_owned())
}

/// The job in `/api/v1/progress/{job}[/update]` or `/api/v1/jobs/{job}/finish`, percent-decoded.
fn job_in(target: &str) -> String {
    let mut bytes = target.split('/').nth(4).unwrap_or_default().bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        let digit = |byte: Option<u8>| char::from(byte.expect("two digits")).to_digit(16).expect("a digit") as u8;
        decoded.push(if byte == b'%' { digit(bytes.next()) * 16 + digit(bytes.next()) } else { byte });
    }
    String::from_utf8(decoded).expect("an id is text")
}

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::error::Error;
use crate::parts::both_parts;

fn write(dir: &Path, text: &str) -> Result<()> {
    let file = dir.join("out");
    std::fs::write(&file, text).at("write", &file)
}

#[test]
fn a_stage_is_built_once_per_input() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    let key = Key::default().value("packages", &1);
    let first = cache.stage("root x", &key, |out, _, _| write(out, "1")).unwrap();
    let again = cache.stage("root x", &key, |_, _, _| panic!("must be reused")).unwrap();
    assert_eq!(first.path, again.path);
    let other = Key::default().value("packages", &2);
    cache.stage("root x", &other, |out, _, _| write(out, "2")).unwrap();
    let lines: Vec<_> = cache.reports().iter().map(ToString::to_string).collect();
    assert_eq!(lines[0], "built root x (first build) 0 s");
    assert_eq!(lines[1], "reused root x");
    assert_eq!(lines[2], "built root x (packages changed) 0 s");
}

#[test]
fn what_one_recipe_has_built_serves_another() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    let key = Key::default().value("packages", &1);
    let first = cache.stage("root x", &key, |out, _, _| write(out, "1")).unwrap();
    let other = cache.stage("root y", &key, |_, _, _| panic!("must be reused")).unwrap();
    assert_eq!(first.path, other.path);
}

#[test]
fn a_failed_build_leaves_no_result_and_the_next_one_starts_clean() {
    let dir = tempfile::tempdir().unwrap();
    let key = Key::default().value("packages", &1);
    {
        let cache = Cache::open(dir.path()).unwrap();
        let failed = cache.stage("root x", &key, |out, _, _| {
            write(out, "half")?;
            Err(Error::content("x", "it broke", "mend it"))
        });
        assert!(failed.is_err());
    }
    assert!(std::fs::read_dir(dir.path().join("tmp")).unwrap().next().is_some());
    let cache = Cache::open(dir.path()).unwrap();
    assert!(std::fs::read_dir(dir.path().join("tmp")).unwrap().next().is_none());
    let stage = cache.stage("root x", &key, |out, _, _| write(out, "whole")).unwrap();
    assert_eq!(std::fs::read_to_string(stage.path.join("out")).unwrap(), "whole");
}

#[test]
fn old_results_are_pruned_but_the_previous_one_stays() {
    let dir = tempfile::tempdir().unwrap();
    let build = |n: u32| {
        let key = Key::default().value("packages", &n);
        let cache = Cache::open(dir.path()).unwrap();
        cache.stage("root x", &key, |out, _, _| write(out, "x")).unwrap().path
    };
    let paths: Vec<_> = (0..3).map(build).collect();
    assert_eq!(paths.iter().map(|p| p.is_dir()).collect::<Vec<_>>(), [false, true, true]);
}

#[test]
fn a_result_in_use_is_not_pruned() {
    let dir = tempfile::tempdir().unwrap();
    let key = |n: u32| Key::default().value("packages", &n);
    let build = |cache: &Cache, n| cache.stage("root x", &key(n), |out, _, _| write(out, "x")).unwrap().path;
    let [built, known] = [0, 1].map(|n| build(&Cache::open(dir.path()).unwrap(), n));
    let cache = Cache::open(dir.path()).unwrap();
    build(&cache, 0);
    let part = cache.part();
    assert!(part.has(&key(1)).unwrap());
    let later = [2, 3, 4].map(|n| build(&cache, n));
    assert!([built, known].iter().chain(&later).all(|path| path.is_dir()));
}

#[test]
fn two_threads_that_ask_for_a_result_build_it_once() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    let key = Key::default().value("packages", &1);
    let (asked, builds) = (Barrier::new(2), AtomicU32::new(0));
    let ask = |name: &str| {
        asked.wait();
        let part = cache.part();
        let stage = part.stage(name, &key, |out, _, _| {
            builds.fetch_add(1, Ordering::Relaxed);
            write(out, "1")
        });
        (stage.unwrap().path, part.reports().remove(0).built.is_some())
    };
    let [one, other] = std::thread::scope(|scope| {
        let threads = ["root x", "root y"].map(|name| scope.spawn(move || ask(name)));
        threads.map(|thread| thread.join().unwrap())
    });
    assert_eq!(builds.load(Ordering::Relaxed), 1);
    assert_eq!(one.0, other.0);
    assert_ne!(one.1, other.1, "one reports that it was built, the other that it was reused");
}

#[test]
fn who_waited_for_a_build_that_failed_tries_again() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    let key = Key::default().value("packages", &1);
    let (begun, builder) = std::sync::mpsc::channel();
    let built = std::thread::scope(|scope| {
        let failing = scope.spawn(|| {
            cache.stage("root x", &key, |out, _, _| {
                begun.send(()).unwrap();
                write(out, "half")?;
                Err(Error::content("x", "it broke", "mend it"))
            })
        });
        builder.recv().unwrap();
        let built = cache.stage("root x", &key, |out, _, _| {
            assert!(!out.join("out").exists(), "what the other one left is in the way");
            Ok(())
        });
        assert!(failing.join().unwrap().is_err());
        built.unwrap()
    });
    assert!(built.path.is_dir());
}

#[test]
fn a_second_builder_waits_for_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let first = Cache::open(dir.path()).unwrap();
    let folder = dir.path().to_owned();
    let (sender, receiver) = std::sync::mpsc::channel();
    let second = std::thread::spawn(move || {
        let cache = Cache::open(&folder);
        sender.send(()).unwrap();
        cache.map(|_| ())
    });
    assert!(receiver.recv_timeout(Duration::from_millis(100)).is_err(), "entered a locked cache");
    drop(first);
    second.join().unwrap().unwrap();
}

/// Run by the next test in a process of its own: a build that never ends.
#[test]
fn endless_build_for_the_test_below() {
    let Some(dir) = std::env::var_os("OS_IMAGE_TEST_ENDLESS") else { return };
    let cache = Cache::open(Path::new(&dir)).unwrap();
    let build = |cache: &Cache, name: &str| {
        let key = Key::default().value("packages", &name);
        cache.stage(name, &key, |out, _, log| {
            write(out, "half")?;
            let script = format!("echo $$ > '{}/pid of {name}'; exec sleep 600", dir.display());
            let mut command = crate::command::tied("sh");
            command.args(["-c", &script]);
            log.run("wait", command)?;
            Ok(())
        })
    };
    let _ = both_parts(&cache, |cache| build(cache, "root x"), |cache| build(cache, "root y"));
}

#[test]
fn a_killed_build_leaves_no_process_of_any_thread_no_result_and_a_usable_cache() {
    let dir = tempfile::tempdir().unwrap();
    let mut build = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cache::tests::endless_build_for_the_test_below"])
        .env("OS_IMAGE_TEST_ENDLESS", dir.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let names = ["root x", "root y"];
    let processes = names.map(|name| {
        let pid_file = dir.path().join(format!("pid of {name}"));
        let pid: i32 = wait_for("the build to start its programs", || {
            std::fs::read_to_string(&pid_file).ok()?.trim().parse().ok()
        });
        PathBuf::from(format!("/proc/{pid}/cmdline"))
    });
    build.kill().unwrap();
    build.wait().unwrap();
    for process in processes {
        wait_for("its programs to die with it", || {
            std::fs::read(&process).map_or(true, |line| line.is_empty()).then_some(())
        });
    }
    let cache = Cache::open(dir.path()).unwrap();
    for name in names {
        let key = Key::default().value("packages", &name);
        let stage = cache.stage(name, &key, |out, _, _| write(out, "whole")).unwrap();
        assert_eq!(std::fs::read_to_string(stage.path.join("out")).unwrap(), "whole");
    }
}

fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited a minute for {what}");
        std::thread::yield_now();
    }
}

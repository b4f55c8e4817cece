//! A sign of life for work that takes longer than a second. Only on a terminal.

use std::io::IsTerminal;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// How long work may take without a sign.
const PATIENCE: Duration = Duration::from_secs(1);

/// Does the work; shows a spinner with `label` if it takes long.
pub(crate) fn spin<T>(label: &str, work: impl FnOnce() -> T) -> T {
    if !std::io::stderr().is_terminal() {
        return work();
    }
    let (done, wait) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if wait.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let bar = indicatif::ProgressBar::new_spinner().with_message(label.to_owned());
                bar.enable_steady_tick(Duration::from_millis(120));
                // Ends when the other side is dropped, by a panic too.
                let _ = wait.recv();
                bar.finish_and_clear();
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// A bar over `total` steps that take longer than a second in all.
pub(crate) fn steps(label: &str, total: u64) -> indicatif::ProgressBar {
    if !std::io::stderr().is_terminal() {
        return indicatif::ProgressBar::hidden();
    }
    let bar = indicatif::ProgressBar::new(total).with_message(label.to_owned());
    if let Ok(style) = indicatif::ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar
}

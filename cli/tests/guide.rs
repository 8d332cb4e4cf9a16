//! Every example of `docs/command.md`, in the order of the page.

mod common;

use std::path::Path;
use std::process::Command;

use common::{Shell, said};

#[test]
fn the_examples_of_the_page_run_as_printed() {
    let page = include_str!("../../docs/command.md");
    let examples: Vec<&str> = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let script = format!("set -eo pipefail\n{}", examples.concat());
    let binary = Path::new(env!("CARGO_BIN_EXE_stargate"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let shell = Shell::new();
    let folder = std::env::temp_dir().join(format!("stargate-guide-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new("bash");
    command
        .args(["-c", &script])
        .env("PATH", path)
        .env("STARGATE_URL", shell.0.url())
        .env_remove("STARGATE_TOKEN")
        .env("HOME", &folder);
    let output = command.current_dir(&folder).output().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    assert!(output.status.success() && examples.len() > 10, "{}", said(&output));
    assert_eq!(said(&output), "");
    for copy in ["orders-restored", "orders-there"] {
        assert_eq!(shell.stored(copy), shell.stored("orders-copy"), "{copy}");
    }
}

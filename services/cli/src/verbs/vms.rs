//! `understudy vms`.

use serde_json::{Value, json};
use understudy_bus::scheduler::StandIn;
use zbus::export::futures_core::Stream;

use crate::link::{Link, plain};
use crate::output::{Output, embedded, short, table};

/// Lists the VMs.
pub async fn run(link: &Link, output: &Output) -> anyhow::Result<()> {
    let vms = link.scheduler.stand_ins().await.map_err(plain)?;
    let document: Vec<_> = vms.iter().map(document).collect();
    output.show(json!({ "vms": document }), || {
        let rows: Vec<_> = vms
            .iter()
            .map(|vm| {
                vec![
                    short(&vm.vm),
                    vm.name.clone(),
                    short(&vm.point),
                    vm.network.clone(),
                    vm.why.clone(),
                    vm.state.clone(),
                    vm.message.clone(),
                ]
            })
            .collect();
        table(
            &["ID", "STANDS IN FOR", "POINT", "NETWORK", "WHY", "STATE", ""],
            &rows,
            "No virtual machine runs; `understudy failover MACHINE` boots one.",
        )
    })
}

/// A VM in a JSON document.
pub fn document(vm: &StandIn) -> Value {
    json!({
        "vm": vm.vm,
        "machine": vm.machine,
        "name": vm.name,
        "point": vm.point,
        "network": vm.network,
        "why": vm.why,
        "state": vm.state,
        "message": vm.message,
        "inspection": embedded(&vm.inspection),
        "clone_seconds": vm.clone_seconds,
        "running_seconds": vm.running_seconds,
    })
}

/// The next signal of a stream.
pub async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|context| std::pin::Pin::new(&mut *stream).poll_next(context)).await
}

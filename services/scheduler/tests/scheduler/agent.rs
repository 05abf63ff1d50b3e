//! Plays an agent: pairs, tells an inventory, follows orders.

use std::collections::BTreeMap;

use understudy_bus::error::Result;
use understudy_bus::scheduler::AgentsProxy;
use understudy_wire::{
    BLOCK, BlockHash, Bytes, Disk, DiskId, DiskReport, Firmware, Interface, Inventory, Kind, Order, Outcome,
    Partition, Progress, Report,
};

use crate::stage::{Stage, next, within};
use crate::world::World;

/// An agent with two disks, the second the one that boots.
pub struct Agent {
    pub machine: String,
    pub key: String,
    pub inventory: Inventory,
    /// Contents of the disks.
    pub disks: BTreeMap<DiskId, Vec<u8>>,
    agents: AgentsProxy<'static>,
    world: World,
}

/// What an agent did to its disks.
pub type Sent = BTreeMap<DiskId, u64>;

impl Agent {
    /// Pairs and tells its inventory.
    pub async fn new(stage: &Stage, name: &str) -> Self {
        let agent = Self::silent(stage, name).await;
        agent.tell_inventory().await;
        agent
    }

    /// Pairs anew, with another key, and is the machine that the code was made for.
    pub async fn pair_as(&mut self, stage: &Stage, machine: &str) {
        let (code, _) = stage.people.new_pairing_code_for(machine).await.unwrap();
        assert_eq!(stage.agents.pairing_attempt(&code[..4]).await.unwrap(), code);
        self.key = blake3::hash(self.key.as_bytes()).to_hex().to_string();
        let name = &self.inventory.host_name;
        self.machine = stage.agents.register(&code[..4], name, &self.key).await.unwrap();
    }

    /// Only pairs.
    pub async fn silent(stage: &Stage, name: &str) -> Self {
        let (code, _) = stage.people.new_pairing_code().await.unwrap();
        let selector = &code[..4];
        assert_eq!(stage.agents.pairing_attempt(selector).await.unwrap(), code);
        let key = blake3::hash(name.as_bytes()).to_hex().to_string();
        let machine = stage.agents.register(selector, name, &key).await.unwrap();
        let disks: BTreeMap<DiskId, Vec<u8>> = [20 * BLOCK + 512, 7 * BLOCK + 4096]
            .map(|size| (DiskId::new(), (0..size).map(|byte| (byte / 97 % 251) as u8).collect()))
            .into();
        let mut rows: Vec<Disk> =
            disks.iter().map(|(id, contents)| row(*id, contents.len() as u64)).collect();
        rows[1].partitions[0].mounted_at = vec!["/boot/efi".into()];
        let inventory = Inventory {
            protocol: 1,
            agent_version: "0".into(),
            capabilities: Vec::new(),
            host_name: name.into(),
            machine_id: "0".repeat(32),
            os: "Debian".into(),
            kernel: "6".into(),
            firmware: Firmware::Uefi,
            cpus: 1,
            memory: Bytes(512 << 20),
            disks: rows,
            interfaces: vec![Interface {
                name: "eth0".into(),
                mac: "52:54:00:12:34:56".into(),
                addresses: vec!["192.0.2.7/24".into()],
            }],
        };
        Self { machine, key, inventory, disks, agents: stage.agents.clone(), world: stage.world.clone() }
    }

    pub async fn tell_inventory(&self) {
        let text = serde_json::to_string(&self.inventory).unwrap();
        self.agents.inventory(&self.machine, &self.key, &text).await.unwrap();
    }

    pub async fn ask(&self, address: &str) -> Option<Order> {
        let text = self.agents.order(&self.machine, &self.key, address).await.unwrap();
        if text.is_empty() { None } else { Some(serde_json::from_str(&text).unwrap()) }
    }

    /// Waits for an order as the gateway does: asks, and asks again when told to.
    pub async fn order(&self) -> Order {
        let mut changes = self.agents.receive_changed().await.unwrap();
        within("an order comes", async {
            loop {
                if let Some(order) = self.ask("192.0.2.7").await {
                    return order;
                }
                next(&mut changes).await;
            }
        })
        .await
    }

    /// Writes blocks of a disk and sends their records.
    pub async fn copy_blocks(&self, job: &str, disk: DiskId, blocks: &[u64]) -> Result<()> {
        let contents = &self.disks[&disk];
        let mut records = Vec::new();
        for &index in blocks {
            let begin = (index * BLOCK) as usize;
            let end = contents.len().min(begin + BLOCK as usize);
            self.world.write(&self.machine, &disk.to_string(), index * BLOCK, &contents[begin..end]);
            let hash = *blake3::hash(&contents[begin..end]).as_bytes();
            records.extend(BlockHash { index, hash }.to_bytes());
        }
        self.agents.blocks(&self.machine, &self.key, job, &disk.to_string(), &records).await
    }

    /// Copies everything of all disks.
    pub async fn copy_all(&self, order: &Order) -> Sent {
        let job = order.job.to_string();
        let mut sent = Sent::new();
        for disk in &order.disks {
            let blocks: Vec<u64> = (0..disk.size.blocks()).collect();
            self.copy_blocks(&job, disk.disk, &blocks).await.unwrap();
            sent.insert(disk.disk, disk.size.0);
            self.progress(&job, sent.values().sum()).await;
        }
        sent
    }

    pub async fn progress(&self, job: &str, sent: u64) -> bool {
        let progress = Progress { stage: "copying".into(), sent: Bytes(sent), expected: Bytes(sent * 2) };
        let text = serde_json::to_string(&progress).unwrap();
        self.agents.progress(&self.machine, &self.key, job, &text).await.unwrap()
    }

    pub async fn report(&self, job: &str, sent: &Sent) {
        let disks = sent.iter().map(|(disk, bytes)| {
            let said = DiskReport {
                kind: Kind::First,
                reason: String::new(),
                mapped: Bytes(*bytes),
                sent: Bytes(*bytes),
                distinct_sent: Bytes(*bytes),
            };
            (*disk, said)
        });
        self.send_report(job, &Report { error: None, frozen_seconds: 0.1, disks: disks.collect() }).await;
    }

    pub async fn send_report(&self, job: &str, report: &Report) {
        let text = serde_json::to_string(report).unwrap();
        self.agents.report(&self.machine, &self.key, job, &text).await.unwrap();
    }

    pub async fn hashes(&self, job: &str, disk: DiskId, from: u64, count: u64) -> Vec<u8> {
        self.agents.hashes(&self.machine, &self.key, job, &disk.to_string(), from, count).await.unwrap()
    }

    pub async fn outcome(&self, job: &str) -> Outcome {
        serde_json::from_str(&self.agents.outcome(&self.machine, &self.key, job).await.unwrap()).unwrap()
    }

    /// A whole backup; the job.
    pub async fn back_up(&self, stage: &Stage) -> String {
        self.back_up_as_ordered(stage).await.job.to_string()
    }

    /// A whole backup; its order.
    pub async fn back_up_as_ordered(&self, stage: &Stage) -> Order {
        let job = stage.people.start_backup(&self.machine).await.unwrap();
        let order = self.order().await;
        assert_eq!(order.job.to_string(), job);
        let sent = self.copy_all(&order).await;
        self.report(&job, &sent).await;
        let ended = stage.ended(&job).await;
        assert_eq!((ended.step.as_str(), ended.message.as_str()), ("done", ""));
        order
    }

    /// Every disk as the newest point on the pool has it.
    pub fn assert_newest_point_is_this(&self) {
        let state = self.world.state();
        let (_, disks) = state.points.last().expect("there is a point");
        for (disk, contents) in &self.disks {
            assert!(disks[&disk.to_string()] == *contents, "disk {disk} differs");
        }
    }
}

fn row(id: DiskId, size: u64) -> Disk {
    Disk {
        id,
        name: "vda".into(),
        serial: String::new(),
        size: Bytes(size),
        sector_size: 512,
        table: "gpt".into(),
        table_id: String::new(),
        partitions: vec![Partition {
            number: 1,
            start: Bytes(4096),
            size: Bytes(4096),
            filesystem: "ext4".into(),
            mounted_at: vec!["/srv".into()],
        }],
        filesystem: String::new(),
        mounted_at: Vec::new(),
    }
}

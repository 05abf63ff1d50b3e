//! Pairing, and who may speak for a machine.

use understudy_bus::error::Error;

use crate::agent::Agent;
use crate::stage::Stage;

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn a_code_makes_one_machine_and_is_then_used_up() {
    let stage = Stage::new().await;
    let (code, expires) = stage.people.new_pairing_code().await.unwrap();
    assert!(expires > 1_700_000_000);
    let selector = &code[..4];
    let machine = stage.agents.register(selector, "mail", KEY).await.unwrap();
    assert_eq!(
        stage.agents.register(selector, "mail", KEY).await.unwrap(),
        machine,
        "a lost answer can be repeated"
    );
    let other = KEY.replace('0', "1");
    assert!(matches!(stage.agents.register(selector, "mallory", &other).await, Err(Error::NotFound(_))));
    assert!(matches!(stage.agents.pairing_attempt(selector).await, Err(Error::NotFound(_))));
    let machines = stage.people.machines().await.unwrap();
    assert_eq!(machines.len(), 1);
    assert_eq!((machines[0].name.as_str(), &machines[0].machine), ("mail", &machine));
}

#[tokio::test]
async fn a_code_is_void_after_five_tries() {
    let stage = Stage::new().await;
    let (code, _) = stage.people.new_pairing_code().await.unwrap();
    let selector = &code[..4];
    for _ in 0..5 {
        assert_eq!(stage.agents.pairing_attempt(selector).await.unwrap(), code);
    }
    match stage.agents.pairing_attempt(selector).await {
        Err(Error::NotFound(text)) => assert!(text.contains("understudy pair"), "{text}"),
        answer => panic!("{answer:?}"),
    }
    assert!(stage.agents.register(selector, "mail", KEY).await.is_err());
}

#[tokio::test]
async fn an_agent_that_is_paired_again_is_the_same_machine() {
    let stage = Stage::new().await;
    let first = Agent::new(&stage, "mail").await;
    let second = Agent::silent(&stage, "mail").await;
    assert_eq!(first.machine, second.machine);
}

#[tokio::test]
async fn nobody_speaks_for_a_machine_with_another_key() {
    let stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    let job = stage.people.start_backup("mail").await.unwrap();
    let denied = |answer: Option<Error>| assert!(matches!(answer, Some(Error::Denied(_))), "{answer:?}");
    let (agents, machine) = (&stage.agents, &agent.machine);
    denied(agents.order(machine, KEY, "192.0.2.7").await.err());
    denied(agents.inventory(machine, KEY, "{}").await.err());
    denied(agents.progress(machine, KEY, &job, "{}").await.err());
    denied(agents.report(machine, KEY, &job, "{}").await.err());
    denied(agents.outcome(machine, KEY, &job).await.err());
    let other = Agent::new(&stage, "files").await;
    let foreign = agents.outcome(&other.machine, &other.key, &job).await;
    assert!(matches!(foreign, Err(Error::NotFound(_))), "{foreign:?}");
}

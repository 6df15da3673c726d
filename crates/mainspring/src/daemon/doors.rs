//! Doors of services: where programs of this machine reach a service by its name.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use edge::{Door, Listener};
use model::ServiceName;

/// Ports of the doors, by service. A service keeps its port for as long as the data folder lives,
/// because programs that are taken over after a crash still hold the old address.
pub(super) type Doors = BTreeMap<ServiceName, u16>;

/// Doors for exactly `services`, keeping the ports of `kept` that are still free.
///
/// # Errors
/// When the system has no free port.
pub(super) fn assign<'a>(
    services: impl Iterator<Item = &'a ServiceName>,
    kept: &Doors,
    open: &Doors,
) -> io::Result<Doors> {
    let mut doors = Doors::new();
    for name in services {
        let port = match (open.get(name), kept.get(name)) {
            (Some(port), _) => *port,
            (None, Some(port)) if is_free(*port) && !doors.values().any(|other| other == port) => {
                *port
            }
            (None, Some(_) | None) => free_port()?,
        };
        doors.insert(name.clone(), port);
    }
    Ok(doors)
}

/// What the edge listens to: the public doors and one for each service.
pub(super) fn listeners(public: &[SocketAddr], doors: &Doors) -> Vec<Listener> {
    let public = public.iter().map(|address| Listener { address: *address, door: Door::Public });
    let inner = doors.iter().map(|(name, port)| Listener {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, *port)),
        door: Door::Service(name.clone()),
    });
    public.chain(inner).collect()
}

/// What programs are told in `$MAINSPRING_<NAME>_URL`.
pub(super) fn urls(doors: &Doors) -> BTreeMap<ServiceName, String> {
    let url = |port: &u16| format!("http://127.0.0.1:{port}");
    doors.iter().map(|(name, port)| (name.clone(), url(port))).collect()
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_keeps_its_port_unless_somebody_took_it() {
        let names = ["a", "b"].map(|name| ServiceName::new(name).unwrap());
        let first = assign(names.iter(), &Doors::new(), &Doors::new()).unwrap();
        assert_eq!(assign(names.iter(), &first, &Doors::new()).unwrap(), first);

        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first["a"])).unwrap();
        let second = assign(names.iter(), &first, &Doors::new()).unwrap();
        assert_ne!(second["a"], first["a"]);
        assert_eq!(second["b"], first["b"]);
        // A door that is open already is not free, and stays.
        assert_eq!(assign(names.iter(), &first, &first).unwrap(), first);
    }
}

//! Tells when an address or a route comes up: the kernel's own news (rtnetlink(7)), which need no bus,
//! no privilege and no particular network service, and come whoever configures the network: a desktop's
//! NetworkManager, networkd, a DHCP client, a VPN, a person at a terminal.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with};
use tokio::io::unix::AsyncFd;

use super::descriptor::watched;

/// `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE`, `RTMGRP_IPV6_IFADDR` and `RTMGRP_IPV6_ROUTE` of
/// `linux/rtnetlink.h`.
const GROUPS: u32 = 0x10 | 0x40 | 0x100 | 0x400;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
/// Addresses that are good for the neighbourhood only (`RT_SCOPE_LINK`).
const SCOPE_LINK: u8 = 253;
const INET: u8 = 2;

/// The longest datagram that is looked at: the kernel's own are far shorter (netlink(7)).
const DATAGRAM: usize = 8192;

/// Listens to what the kernel says of the network.
pub struct NetworkWatch {
    socket: AsyncFd<OwnedFd>,
}

impl NetworkWatch {
    /// Listens from now on. Call inside the runtime.
    pub fn start() -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        // no protocol number means NETLINK_ROUTE
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
        let socket = watched(socket)?;
        Ok(Self { socket })
    }

    /// Waits until something came up that may lead to a provider. Several at once count as one.
    pub async fn up(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.socket.readable().await?;
            if self.drain()? {
                return Ok(());
            }
            ready.clear_ready();
        }
    }

    /// Reads what there is, but not for ever. Whether any of it was good news.
    fn drain(&self) -> io::Result<bool> {
        let mut good = false;
        let mut datagram = [0; DATAGRAM];
        for _ in 0..64 {
            match recvfrom(self.socket.get_ref(), &mut datagram, RecvFlags::empty()) {
                Ok((length, _, sender)) => {
                    let sender = sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok());
                    // anybody may write to this socket who may configure the network; only the kernel
                    // has the number 0
                    let kernel = sender.is_some_and(|sender| sender.pid() == 0);
                    good |= kernel && is_good_news(&datagram[..length.min(DATAGRAM)]);
                }
                // more happened than the socket holds: some of it may have been good
                Err(Errno::NOBUFS) => good = true,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(good),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}

/// Whether one of the messages tells of an address or a route that may lead to a provider.
fn is_good_news(mut datagram: &[u8]) -> bool {
    // struct nlmsghdr: u32 length, u16 type, u16 flags, u32 sequence, u32 port
    while let Some((header, _)) = datagram.split_first_chunk::<16>() {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let Some(body) = datagram.get(16..length) else { return false };
        let good = match (kind, body) {
            // struct ifaddrmsg: u8 family, prefix length, flags, scope
            (RTM_NEWADDR, [_, _, _, scope, ..]) => *scope != SCOPE_LINK,
            // struct rtmsg: u8 family, destination length. Every interface has IPv6 routes from the
            // moment it is up; those through a router are the default ones.
            (RTM_NEWROUTE, [family, destination, ..]) => *family == INET || *destination == 0,
            _ => false,
        };
        if good {
            return true;
        }
        // NLMSG_ALIGN
        let next = length.next_multiple_of(4).min(datagram.len());
        datagram = &datagram[next..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(16 + body.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn addresses_beyond_the_neighbourhood_and_routes_that_lead_out_are_good_news() {
        const INET6: u8 = 10;
        let address = |family, scope| message(RTM_NEWADDR, &[family, 24, 0, scope, 0, 0, 0, 0]);
        let route = |family, length| message(RTM_NEWROUTE, &[family, length, 0, 0, 254, 0, 0, 1]);
        assert!(is_good_news(&address(INET, 0)) && is_good_news(&address(INET6, 0)));
        assert!(!is_good_news(&address(INET6, SCOPE_LINK)));
        assert!(is_good_news(&route(INET, 0)) && is_good_news(&route(INET, 24)));
        assert!(is_good_news(&route(INET6, 0)) && !is_good_news(&route(INET6, 64)));
        let gone = [message(21, &[INET, 24, 0, 0]), message(25, &[INET, 0])].concat();
        assert!(!is_good_news(&gone), "what goes is no good news");
        assert!(is_good_news(&[gone, route(INET, 0)].concat()), "each message is looked at");
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            is_good_news(&bytes);
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_ordinary_process_may_listen() {
        let watch = NetworkWatch::start().unwrap();
        watch.drain().unwrap();
    }
}

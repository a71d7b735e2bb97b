//! Descriptors that come beside the daemon's messages.

use std::{
    io::{self, Read},
    os::{fd::OwnedFd, unix::net::UnixStream},
};

use wharf_wire::passed;

/// A connection from which one message is read that descriptors come with.
#[derive(Debug)]
pub(crate) struct Receiving<'a> {
    stream: &'a UnixStream,
    /// Those that came so far.
    pub(crate) descriptors: Vec<OwnedFd>,
}

impl<'a> From<&'a UnixStream> for Receiving<'a> {
    fn from(stream: &'a UnixStream) -> Self {
        Receiving {
            stream,
            descriptors: Vec::new(),
        }
    }
}

impl Read for Receiving<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        passed::receive(self.stream, buffer, &mut self.descriptors)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::IoSlice, io::Write as _, mem::MaybeUninit, os::fd::AsFd as _};

    use rustix::cmsg_space;
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage::ScmRights, SendFlags, sendmsg};

    use super::*;

    fn pass(stream: &UnixStream, bytes: &[u8], count: usize) {
        let file = File::open("/dev/null").unwrap();
        let descriptors = vec![file.as_fd(); count];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(16))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        assert!(beside.push(ScmRights(&descriptors)));
        let flags = SendFlags::empty();
        sendmsg(stream, &[IoSlice::new(bytes)], &mut beside, flags).unwrap();
    }

    #[test]
    fn what_comes_with_a_message_is_kept_and_closed_for_other_programs() {
        let (mut there, here) = UnixStream::pair().unwrap();
        pass(&there, b"ab", passed::MOST);
        there.write_all(b"cd").unwrap();
        let mut receiving = Receiving::from(&here);
        let mut bytes = [0; 4];
        receiving.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"abcd");
        assert_eq!(receiving.descriptors.len(), passed::MOST);
        for descriptor in &receiving.descriptors {
            let flags = rustix::io::fcntl_getfd(descriptor).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
    }

    #[test]
    fn more_than_are_taken_are_an_error() {
        let (there, here) = UnixStream::pair().unwrap();
        pass(&there, b"a", passed::MOST + 2);
        let error = Receiving::from(&here).read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn several_messages_do_not_add_up_to_more() {
        let (there, here) = UnixStream::pair().unwrap();
        pass(&there, b"a", 2);
        pass(&there, b"b", 2);
        assert!(Receiving::from(&here).read_exact(&mut [0; 2]).is_err());
    }
}

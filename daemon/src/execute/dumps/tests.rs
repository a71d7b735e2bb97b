use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const TEXT: &[u8] = b"CREATE TABLE a (b INT);\n";

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Takes it in; what it says, and what is in the file.
fn taken(bytes: &[u8], room: u64, may: bool) -> (Result<u64, Failure>, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let coming = Coming {
        file: directory.path().join("coming/database"),
        kind: ServiceKind::Mariadb,
        room,
        may: |_: &Mark| match may {
            true => Ok(()),
            false => Err(Failure::new("data-upward", "no")),
        },
    };
    let done = take_in(bytes, &coming, &CancellationToken::new());
    let file = std::fs::read(&coming.file).unwrap();
    (done, file)
}

fn code(bytes: &[u8], room: u64) -> String {
    taken(bytes, room, true).0.unwrap_err().reason.code
}

#[test]
fn what_comes_whole_is_kept_as_it_came() {
    let bytes = packed(TEXT);
    let (done, file) = taken(&bytes, 1000, true);
    assert_eq!((done.unwrap(), &file), (TEXT.len() as u64, &bytes));
    // Two of them behind each other are one.
    let twice = [packed(TEXT), packed(TEXT)].concat();
    assert_eq!(taken(&twice, 1000, true).0.unwrap(), 2 * TEXT.len() as u64);
    let mut out = Vec::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, &twice).unwrap();
    pour(File::open(&path).unwrap(), &mut out).unwrap();
    assert_eq!(out, [TEXT, TEXT].concat());
}

#[test]
fn what_is_cut_off_anywhere_or_turned_over_is_not_whole() {
    let bytes = packed(TEXT);
    for end in 0..bytes.len() {
        assert_eq!(code(&bytes[..end], 1000), "dump-damaged", "{end}");
    }
    let mut other = bytes.clone();
    let last = other.len() - 6;
    other[last] ^= 1;
    assert_eq!(code(&other, 1000), "dump-damaged");
    assert_eq!(code(TEXT, 1000), "dump-damaged");
    assert_eq!(code(&packed(b""), 1000), "dump-refused");
}

#[test]
fn there_is_room_for_so_much_only_packed_and_unpacked() {
    let bytes = packed(TEXT);
    assert_eq!(code(&bytes, 10), "disk-full");
    let many = packed(&TEXT.repeat(10_000));
    assert_eq!(code(&many, many.len() as u64), "disk-full");
}

#[test]
fn whose_it_is_is_asked_before_the_rest_comes() {
    let mark = "-- wharf-dump: shop/main production database\n";
    let text = [mark.as_bytes(), &TEXT.repeat(10_000)].concat();
    // What is behind the beginning is never looked at.
    let bytes = packed(&text);
    let (done, _) = taken(&bytes[..bytes.len() / 2], 1 << 20, false);
    assert_eq!(done.unwrap_err().reason.code, "data-upward");
}

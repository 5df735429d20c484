#![allow(missing_docs)]
use framepool::*;
pool!(static P: [2048; 512]);
#[test]
fn smoke() {
    let mut c = P.cache();
    let mut v = vec![];
    for _ in 0..512 {
        v.push(c.alloc().unwrap());
    }
    assert!(c.alloc().is_err());
    for b in v {
        c.free(b).unwrap();
    }
    println!("{} | {}", P.stats(), c.stats());
    drop(c);
    println!("{}", P.stats());
    assert_eq!(P.stats().in_use, 0);
    assert_eq!(P.stats().free, 512);
    assert_eq!(P.stats().frees, 512);
    P.reset_static().unwrap();
    let mut p = Pool::allocate(PoolConfig::new(64, 1000)).unwrap();
    {
        let mut c: Cache<64> = Cache::new(&p);
        for r in 0..100usize {
            let b: Burst<32> = c.alloc_burst(1 + r % 32).unwrap();
            let d = c.alloc().unwrap();
            drop(d);
            c.free_burst(b).unwrap();
        }
    }
    println!("{:?}", p.check().unwrap());
    println!("{:?}", p.check().unwrap());
    println!("{}", p.stats());
    p.reset().unwrap();
    p.prefault();
    println!("{}", p.stats());
    println!("{:?}", p.check().unwrap());
}

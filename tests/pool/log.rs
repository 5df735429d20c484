//! Every public type can be logged by `defmt`. `tests/defmt` tests the text of the logs.

use framepool::*;

const fn is_logged<T: defmt::Format>() {}

/// Does not compile if a type cannot be logged.
#[allow(dead_code)]
fn every_public_type<T: defmt::Format, F>() {
    // Handles and pools.
    is_logged::<Pool<'static>>();
    is_logged::<Block<'static>>();
    is_logged::<BlockId>();
    is_logged::<Burst<'static, 4>>();
    is_logged::<pool::BurstIntoIter<'static, 4>>();
    is_logged::<Cache<'static>>();
    is_logged::<(framepool::Frame<'static>, framepool::Posted<'static>)>();
    is_logged::<(framepool::FrameError<'static>, framepool::NoTailroom)>();
    is_logged::<(framepool::TooManyDevices, framepool::FromIdsError)>();
    is_logged::<PoolBox<'static, T>>();
    is_logged::<(PoolAlloc<F>, PoolAlloc<F, Late>, PoolAllocs<F, 2>)>();
    is_logged::<(Late, InstallError<F>)>();
    #[cfg(any(feature = "allocator-api2", framepool_nightly))]
    is_logged::<CacheCell<'static>>();
    is_logged::<(Reservation<'static>, AllocAsync<'static>)>();
    #[cfg(not(loom))]
    is_logged::<(Align<64>, StaticPool<64, 4>)>();
    // Shapes and figures.
    is_logged::<(PoolConfig, PoolLayout, Stride)>();
    is_logged::<(Stats, CacheStats, Census)>();
    // Errors.
    is_logged::<(ConfigError, Exhausted, TooLong, ResetError, CheckError)>();
    is_logged::<(FreeError, FreeErrorKind, ReserveError)>();
    is_logged::<(WrongPool<F>, PushError<T>)>();
    is_logged::<(AllocValueError<F>, AllocValueReason)>();
    // Runs of pages.
    is_logged::<(region::PageRuns<'static>, region::PageRun<'static>)>();
    is_logged::<(region::RunRequest, region::RunStats)>();
    is_logged::<(region::RunsError, region::RunError, region::RunFreeError)>();
    is_logged::<(region::RunCheckError, region::PageWord)>();
    #[cfg(feature = "time")]
    measuring::<F>();
    #[cfg(feature = "ring")]
    {
        is_logged::<(ring::Producer<'static, F>, ring::Consumer<'static, F>)>();
        is_logged::<(ring::Reserved<'_, 'static, F>, ring::Peeked<'_, 'static, F>)>();
        is_logged::<(
            ring::AsyncProducer<'static, F>,
            ring::AsyncConsumer<'static, F>,
        )>();
        is_logged::<(
            ring::Drain<'_, ring::Consumer<'static, F>>,
            ring::Spin,
            ring::Patient,
            ring::NoRoom,
        )>();
        is_logged::<(
            ring::Full<F>,
            ring::Abandoned<F>,
            ring::PushWaitError<F>,
            ring::PopWaitError,
            ring::RingError,
        )>();
        is_logged::<(ring::ProducerStats, ring::ConsumerStats)>();
        is_logged::<(
            ring::flags::Producer<'static, F>,
            ring::flags::Consumer<'static, F>,
            ring::Drain<'_, ring::flags::Consumer<'static, F>>,
        )>();
        #[cfg(not(loom))]
        is_logged::<(ring::Ring<F, 4>, ring::flags::Ring<F, 4>)>();
    }
    #[cfg(feature = "feed")]
    feeds();
    #[cfg(feature = "wire")]
    {
        use framepool::wire::*;
        is_logged::<(ParseError, Layer, Reason, Summary, FragmentInfo)>();
        is_logged::<(Link, Network, Transport, Extensions, checksum::Sum)>();
        is_logged::<(Filter, FilterError, FilterReason, Term, Side)>();
        is_logged::<(BpfError, BpfInstruction)>();
        is_logged::<(
            EthernetHeader,
            VlanHeader,
            LlcHeader,
            SnapHeader,
            MplsHeader,
        )>();
        is_logged::<(
            ArpHeader,
            Ipv4Header<'_>,
            Ipv6Header,
            UdpHeader,
            TcpHeader<'_>,
        )>();
        is_logged::<(Ipv6ExtensionHeader<'_>, Ipv6FragmentHeader)>();
        is_logged::<(AuthenticationHeader<'_>, Icmpv4Header, Icmpv6Header)>();
        is_logged::<(Options<'_>, RawOption<'_>, TcpOption<'_>, TcpOptions<'_>)>();
        is_logged::<SackBlocks<'_>>();
        type B = &'static [u8];
        is_logged::<(Ethernet<B>, Vlan<B>, Llc<B>, Mpls<B>, Arp<B>, Ipv4<B>)>();
        is_logged::<(
            Ipv6<B>,
            Ipv6Extension<B>,
            Ipv6Fragment<B>,
            Authentication<B>,
        )>();
        is_logged::<(Icmpv4<B>, Icmpv6<B>, Udp<B>, Tcp<B>)>();
    }
}

/// The same for exchange feeds.
#[cfg(feature = "feed")]
#[allow(dead_code)]
fn feeds() {
    use framepool::feed::*;

    is_logged::<(EmitError, StreamBuffer<'static>, Price4, Price8)>();
    is_logged::<(ShortPrice, LongPrice, Alpha<8>)>();
    is_logged::<(SequenceTracker, SequenceStats, Runs<'static, 8>, Run)>();
    is_logged::<(Gap, Verdict, Width, Arbiter, LineStats)>();
    {
        use moldudp64::*;
        is_logged::<(
            Packet<'static>,
            Kind,
            Messages<'static>,
            Request,
            Builder<'static>,
        )>();
    }
    is_logged::<(
        soupbintcp::Packet<'static>,
        soupbintcp::Packets<'static>,
        soupbintcp::Login,
    )>();
    {
        use itch::*;
        is_logged::<(
            Message<'static>,
            Messages<'static>,
            Raw<'static>,
            RawMessages<'static>,
            Values,
        )>();
        is_logged::<(AddOrder<'static>, fields::AddOrder)>();
    }
    {
        use pitch::*;
        is_logged::<(
            Packet<'static>,
            Messages<'static>,
            Message<'static>,
            Raw<'static>,
            Values,
            Builder<'static>,
        )>();
        is_logged::<(AddOrderLong<'static>, fields::AddOrderLong)>();
    }
    {
        use xdp::*;
        is_logged::<(
            Packet<'static>,
            Messages<'static>,
            Message<'static>,
            Raw<'static>,
            Values,
            Builder<'static>,
        )>();
        is_logged::<(AddOrder<'static>, fields::AddOrder, Delivery)>();
    }
    {
        use fix::*;
        is_logged::<(
            Message<'static>,
            Messages<'static>,
            Version,
            Fields<'static>,
        )>();
        is_logged::<(
            Field<'static>,
            Decimal,
            Section<'static>,
            Group<'static, 'static>,
        )>();
        is_logged::<Writer<'static>>();
    }
}

#[cfg(feature = "time")]
fn measuring<F>() {
    use framepool::time::*;

    is_logged::<(Scale, Calibration, CalibrationError, Source)>();
    is_logged::<(Backwards, Span<'static, ManualClock>, ManualClock)>();
    is_logged::<(Fenced<ManualClock>, Monotonic<ManualClock>)>();
    is_logged::<(Widened<ManualClock>, Calibrator<F, F>)>();
    is_logged::<(Histogram1, Bars<'static, 4, { Histogram1::BUCKETS }, u64>)>();
    is_logged::<Buckets<'static, 4, { Histogram1::BUCKETS }, u64>>();
    is_logged::<(Bucket, Summary, PercentileError)>();
    is_logged::<AtomicHistogram<4, { Histogram1::BUCKETS }>>();
    is_logged::<Recorder<'static, 4, { Histogram1::BUCKETS }>>();
    is_logged::<(Channel, ChannelStats, Outcome, NoChannel, Tracker<2>)>();
    is_logged::<Table<'static, 2, 32, 7, { buckets(7, 40) }, u64>>();
    #[cfg(target_arch = "x86_64")]
    is_logged::<(Tsc, TscError, CpuidLeaves, Leaf)>();
}

module tandem.dev/bench/admission-go

go 1.22

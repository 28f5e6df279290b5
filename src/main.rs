//! The program: see the library.

fn main() -> std::process::ExitCode {
    terraform_provider_akash::main()
}

"""What is planted in texts, put together here so that no scanner of sources takes it for real."""

from llamaduo.privacy.finder import Finder
from llamaduo.privacy.kinds import KINDS, PERSONAL

ALL = Finder(KINDS, ("US", "GB"))
PERSONS = Finder(PERSONAL, ("US", "GB"))

TOKEN = "ghp_" + "1aB2cD3eF4gH5iJ6kL7mN8oP9qR0sT1uV2wX"
PRIVATE_KEY = "\n".join(
    [
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        *(f"MIIEogIBAAKCAQEAv{letter * 47}" for letter in "abcdefgh"),
        "-----END RSA " + "PRIVATE KEY-----",
    ]
)

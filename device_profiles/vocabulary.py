"""The words to choose from where a field has a fixed choice. A field left out is not known; ``none`` is a fact."""

from __future__ import annotations

import enum

__all__ = [
    "Approver",
    "Authentication",
    "Authenticity",
    "BlePairing",
    "DeviceClass",
    "Encryption",
    "EvidenceStatus",
    "FlowControl",
    "Harm",
    "Integrity",
    "InterfaceType",
    "Kind",
    "MdrClass",
    "OsFamily",
    "Parity",
    "PatientData",
    "PowerControl",
    "ProcessorRole",
    "Purpose",
    "Reach",
    "ReadProtection",
    "Recovery",
    "RegionUse",
    "RollbackProtection",
    "RootOfTrust",
    "SignaturePolicy",
    "SoftwareClass",
    "StorageKind",
    "SupportStage",
    "Therapy",
    "UnknownClock",
    "UpdateChannel",
    "UpdateKind",
    "UsbClass",
]


class Kind(enum.StrEnum):
    """A class of devices, or one make and model."""

    ARCHETYPE = "archetype"
    MODEL = "model"


class EvidenceStatus(enum.StrEnum):
    """How a fact is known, from the strongest to the weakest."""

    MEASURED = "measured"
    """Seen on a device on our bench."""
    VENDOR_DOC = "vendor_doc"
    """A document, a data sheet or the published sources of the maker."""
    ADVISORY = "advisory"
    """A security advisory of an authority or of the maker."""
    PUBLIC_TEARDOWN = "public_teardown"
    """Somebody opened the device or read its link and published what was there."""
    ASSUMED = "assumed"
    """Typical of the class of device; nobody looked at this one."""

    @property
    def rank(self) -> int:
        """Position from 0 (measured) to 4 (assumed)."""
        return list(EvidenceStatus).index(self)


class Therapy(enum.StrEnum):
    """What the device does for a patient."""

    NONE = "none"
    MONITORING = "monitoring"
    DIAGNOSTIC = "diagnostic"
    THERAPEUTIC = "therapeutic"
    LIFE_SUSTAINING = "life_sustaining"


class Harm(enum.StrEnum):
    """The worst credible harm, in the five steps that risk files use (compare ISO 14971)."""

    NEGLIGIBLE = "negligible"
    MINOR = "minor"
    SERIOUS = "serious"
    CRITICAL = "critical"
    CATASTROPHIC = "catastrophic"


class DeviceClass(enum.StrEnum):
    """Device class of the United States."""

    I = "I"  # noqa: E741  # it is called I
    II = "II"
    III = "III"


class MdrClass(enum.StrEnum):
    """Device class of the European regulation 2017/745."""

    I = "I"  # noqa: E741  # it is called I
    IIA = "IIa"
    IIB = "IIb"
    III = "III"


class SoftwareClass(enum.StrEnum):
    """Software safety class of IEC 62304."""

    A = "A"
    B = "B"
    C = "C"


class ProcessorRole(enum.StrEnum):
    """What a processor does in the device."""

    MAIN = "main"
    SAFETY = "safety"
    USER_INTERFACE = "user_interface"
    COMMUNICATION = "communication"
    SENSOR = "sensor"
    RADIO = "radio"
    POWER = "power"


class ReadProtection(enum.StrEnum):
    """What keeps program memory from being read through the debug port."""

    NONE = "none"
    REVERSIBLE = "reversible"
    """Can be lifted at the price of an erased memory."""
    PERMANENT = "permanent"


class RegionUse(enum.StrEnum):
    """What a stretch of memory is for."""

    BOOTLOADER = "bootloader"
    APPLICATION = "application"
    UPDATE_SLOT = "update_slot"
    RADIO_STACK = "radio_stack"
    CONFIGURATION = "configuration"
    OPTION_BYTES = "option_bytes"
    VECTORS = "vectors"
    STORAGE = "storage"
    RAM = "ram"
    ROM = "rom"


class StorageKind(enum.StrEnum):
    """Memory outside the processor."""

    EEPROM = "eeprom"
    SPI_NOR = "spi_nor"
    PARALLEL_NOR = "parallel_nor"
    NAND = "nand"
    EMMC = "emmc"
    SD_CARD = "sd_card"
    CF_CARD = "cf_card"
    DISK = "disk"


class OsFamily(enum.StrEnum):
    """Operating system of the main processor."""

    BARE_METAL = "bare_metal"
    FREERTOS = "freertos"
    THREADX = "threadx"
    UCOS = "ucos"
    VXWORKS = "vxworks"
    NUCLEUS = "nucleus"
    QNX = "qnx"
    ECOS = "ecos"
    ZEPHYR = "zephyr"
    RTOS_OTHER = "rtos_other"
    LINUX = "linux"
    WINDOWS_CE = "windows_ce"
    WINDOWS = "windows"


class RootOfTrust(enum.StrEnum):
    """What the first code of the device is verified with."""

    NONE = "none"
    ROM_VERIFIED = "rom_verified"
    OTP_HASH = "otp_hash"
    SECURE_ELEMENT = "secure_element"
    TPM = "tpm"


class InterfaceType(enum.StrEnum):
    """The way a connection is made."""

    RS232 = "rs232"
    RS485 = "rs485"
    UART = "uart"
    """Logic levels: pins, pads or an accessory connector."""
    USB_DEVICE = "usb_device"
    USB_HOST = "usb_host"
    SD_CARD = "sd_card"
    CF_CARD = "cf_card"
    OPTICAL_DISC = "optical_disc"
    ETHERNET = "ethernet"
    WIFI = "wifi"
    CELLULAR = "cellular"
    MODEM = "modem"
    BLE = "ble"
    BLUETOOTH_CLASSIC = "bluetooth_classic"
    RF_PROPRIETARY = "rf_proprietary"
    CAN = "can"
    INFRARED = "infrared"
    MODULE_BUS = "module_bus"
    NURSE_CALL = "nurse_call"
    DEBUG_PORT = "debug_port"
    """JTAG, SWD, Spy-Bi-Wire, SWIM."""


class Purpose(enum.StrEnum):
    """What an interface is used for."""

    CLINICAL_DATA = "clinical_data"
    CONTROL = "control"
    SERVICE = "service"
    UPDATE = "update"
    LOG_EXPORT = "log_export"
    CONFIGURATION = "configuration"
    DEBUG = "debug"
    PRINTING = "printing"
    ALARM = "alarm"


class Authentication(enum.StrEnum):
    """What an interface asks for before it obeys."""

    NONE = "none"
    SHARED_SECRET = "shared_secret"  # noqa: S105  # a word, not a password
    """One password or key for all devices."""
    PER_DEVICE = "per_device"
    USER_LOGIN = "user_login"
    MUTUAL_CRYPTO = "mutual_crypto"
    PHYSICAL_KEY = "physical_key"


class Encryption(enum.StrEnum):
    """Whether somebody in between can read along."""

    NONE = "none"
    WEAK = "weak"
    STRONG = "strong"


class Reach(enum.StrEnum):
    """Where somebody must be to use an interface."""

    BEDSIDE = "bedside"
    BENCH = "bench"
    CASE_OPEN = "case_open"
    NEARBY = "nearby"
    """Within radio range."""
    NETWORK = "network"
    INTERNET = "internet"


class Parity(enum.StrEnum):
    """Parity bit of a serial line."""

    NONE = "none"
    ODD = "odd"
    EVEN = "even"


class FlowControl(enum.StrEnum):
    """Flow control of a serial line."""

    NONE = "none"
    RTS_CTS = "rts_cts"
    XON_XOFF = "xon_xoff"


class UsbClass(enum.StrEnum):
    """What a USB interface says it is."""

    SERIAL_BRIDGE = "serial_bridge"
    """A converter chip such as CP2102; the device behind it speaks serial."""
    CDC_ACM = "cdc_acm"
    HID = "hid"
    MASS_STORAGE = "mass_storage"
    PERSONAL_HEALTHCARE = "personal_healthcare"
    DFU = "dfu"
    VENDOR = "vendor"


class BlePairing(enum.StrEnum):
    """How a Bluetooth LE link is paired."""

    NONE = "none"
    JUST_WORKS = "just_works"
    PASSKEY = "passkey"
    NUMERIC_COMPARISON = "numeric_comparison"
    OUT_OF_BAND = "out_of_band"


class UpdateChannel(enum.StrEnum):
    """The way new software reaches the device."""

    SERIAL_BOOTLOADER = "serial_bootloader"
    USB_DFU = "usb_dfu"
    USB_STICK = "usb_stick"
    SD_CARD = "sd_card"
    CF_CARD = "cf_card"
    OPTICAL_DISC = "optical_disc"
    VENDOR_PC_TOOL = "vendor_pc_tool"
    ETHERNET_PUSH = "ethernet_push"
    NFS_PULL = "nfs_pull"
    FTP_PULL = "ftp_pull"
    HTTP_PULL = "http_pull"
    HTTPS_PULL = "https_pull"
    VPN_PULL = "vpn_pull"
    CELLULAR = "cellular"
    BLE_DFU = "ble_dfu"
    REMOTE_AGENT = "remote_agent"
    MODULE_SWAP = "module_swap"
    DEBUG_PORT = "debug_port"


class Integrity(enum.StrEnum):
    """What tells the device that an update was damaged on its way; nothing here stops a forgery."""

    NONE = "none"
    CHECKSUM = "checksum"
    """Some sum or CRC whose kind is not known."""
    SUM8 = "sum8"
    CRC16 = "crc16"
    CRC32 = "crc32"
    MD5 = "md5"
    SHA1 = "sha1"
    SHA2 = "sha2"


class Authenticity(enum.StrEnum):
    """What tells the device who made an update."""

    NONE = "none"
    WEAK = "weak"
    """Something that can be forged: a published test key, an unchecked certificate, a signature on a part only."""
    HMAC_SHARED = "hmac_shared"
    RSA = "rsa"
    ECDSA = "ecdsa"
    ED25519 = "ed25519"
    CMS = "cms"
    AUTHENTICODE = "authenticode"


class RollbackProtection(enum.StrEnum):
    """What keeps an older, vulnerable version from being installed again."""

    NONE = "none"
    VERSION_CHECK = "version_check"
    MONOTONIC_COUNTER = "monotonic_counter"


class Recovery(enum.StrEnum):
    """What brings the device back after a failed update."""

    NONE = "none"
    DUAL_BANK = "dual_bank"
    GOLDEN_IMAGE = "golden_image"
    SERIAL_RESCUE = "serial_rescue"
    SERVICE_ONLY = "service_only"


class PatientData(enum.StrEnum):
    """How long patient data stays in the device."""

    NONE = "none"
    TRANSIENT = "transient"
    """Gone when the device is switched off."""
    PERSISTENT = "persistent"


class SupportStage(enum.StrEnum):
    """Where the device stands in its life (stages of IMDRF N70)."""

    DEVELOPMENT = "development"
    SUPPORT = "support"
    LIMITED_SUPPORT = "limited_support"
    END_OF_SUPPORT = "end_of_support"


class PowerControl(enum.StrEnum):
    """How a bench run can switch the device off and on."""

    MANUAL = "manual"
    RELAY = "relay"
    USB_HUB = "usb_hub"


class UpdateKind(enum.StrEnum):
    """What changes the behaviour of a device, and is therefore signed."""

    FIRMWARE = "firmware"
    DRUG_LIBRARY = "drug_library"
    CONFIGURATION = "configuration"
    CALIBRATION = "calibration"


class Approver(enum.StrEnum):
    """Who approves an update package."""

    VENDOR = "vendor"
    HOSPITAL = "hospital"


class SignaturePolicy(enum.StrEnum):
    """Which signature algorithms count; `signing/policies` has one file for each."""

    LEGACY = "legacy"
    FIPS = "fips"
    HYBRID = "hybrid"
    CNSA2 = "cnsa2"


class UnknownClock(enum.StrEnum):
    """What happens to a package that has not expired as far as can be told, where nobody knows the time."""

    OVERRIDE = "override"
    """People must sign, as for one that has expired."""
    ALLOW = "allow"
    """It is installed, and the log says that its age was not known."""

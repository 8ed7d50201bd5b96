"""One instance as DescribeInstances writes it: about 9.4 KB, with its network interface, root volume and eight tags.

The text that all instances share is made once; an instance is one `%` substitution of bytes. Nothing rendered is kept:
100,000 instances would be 940 MB.
"""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

from bench.endpoint.fleet import ACCOUNT, Instance

_INTERFACES: Final = 1
_DISKS: Final = (("/dev/sda1", "vol-0a"),)
_INDENT: Final = 4
_SECURITY_GROUPS: Final = (
    "<groupSet>",
    "<item>",
    "<groupId>sg-0f3a5be2c49d8a7b6</groupId>",
    "<groupName>ml-training</groupName>",
    "</item>",
    "</groupSet>",
)


def render(instance: Instance) -> bytes:
    """One reservation with one instance."""
    number = instance.index
    values = {
        b"n": b"%012x" % (number * 0x9E3779B1 & 0xFFFFFFFFFFFF),
        b"ip": b"10.%d.%d.%d" % (number >> 16 & 255, number >> 8 & 255, number & 255),
        b"host": b"ip-10-%d-%d-%d" % (number >> 16 & 255, number >> 8 & 255, number & 255),
        b"id": instance.id.encode(),
        b"type": instance.type.encode(),
        b"zone": instance.zone.encode(),
        b"state": _STATES[instance.state],
        b"launched": instance.launched.encode(),
        b"spot": _SPOT % instance.spot_request_id.encode() if instance.spot_request_id else b"",
        b"tags": b"".join(_TAG % (escape(k).encode(), escape(v).encode()) for k, v in instance.tags.items()),
    }
    return _RESERVATION % values


def _indented(depth: int, *lines: str) -> str:
    """As EC2 indents: what is open adds a level. A line that is a placeholder alone brings its own lines."""
    out: list[str] = []
    for line in lines:
        if line.startswith("%("):
            out.append(line)
            continue
        if line.startswith("</"):
            depth -= 1
        out.append(" " * _INDENT * depth + line + "\n")
        if "</" not in line and not line.endswith("/>"):
            depth += 1
    return "".join(out)


def _interface(index: int) -> tuple[str, ...]:
    suffix = f"{index:x}%(n)s"
    return (
        "<item>",
        f"<networkInterfaceId>eni-0{suffix}</networkInterfaceId>",
        "<subnetId>subnet-0c1f8a6de9c3b7a11</subnetId>",
        "<vpcId>vpc-07d1c0b6a2f4e9d35</vpcId>",
        "<description>EFA of the training cluster</description>",
        f"<ownerId>{ACCOUNT}</ownerId>",
        "<status>in-use</status>",
        f"<macAddress>0e:4f:9a:21:7c:{index:02x}</macAddress>",
        "<privateIpAddress>%(ip)s</privateIpAddress>",
        "<privateDnsName>%(host)s.ec2.internal</privateDnsName>",
        "<sourceDestCheck>true</sourceDestCheck>",
        *_SECURITY_GROUPS,
        "<attachment>",
        f"<attachmentId>eni-attach-0{suffix}</attachmentId>",
        f"<deviceIndex>{index}</deviceIndex>",
        "<status>attached</status>",
        "<attachTime>%(launched)s</attachTime>",
        "<deleteOnTermination>true</deleteOnTermination>",
        f"<networkCardIndex>{index}</networkCardIndex>",
        "</attachment>",
        "<privateIpAddressesSet>",
        "<item>",
        "<privateIpAddress>%(ip)s</privateIpAddress>",
        "<privateDnsName>%(host)s.ec2.internal</privateDnsName>",
        "<primary>true</primary>",
        "</item>",
        "</privateIpAddressesSet>",
        "<ipv6AddressesSet/>",
        "<interfaceType>efa</interfaceType>",
        "<operator>",
        "<managed>false</managed>",
        "</operator>",
        "</item>",
    )


def _disk(device: str, volume: str) -> tuple[str, ...]:
    return (
        "<item>",
        f"<deviceName>{device}</deviceName>",
        "<ebs>",
        f"<volumeId>{volume}%(n)s</volumeId>",
        "<status>attached</status>",
        "<attachTime>%(launched)s</attachTime>",
        "<deleteOnTermination>true</deleteOnTermination>",
        "</ebs>",
        "</item>",
    )


_STATES: Final = {
    name: _indented(6, f"<code>{code}</code>", f"<name>{name}</name>").encode()
    for name, code in (("running", 16), ("shutting-down", 32), ("terminated", 48), ("stopping", 64), ("stopped", 80))
}
_TAG: Final = _indented(6, "<item>", "<key>%s</key>", "<value>%s</value>", "</item>").encode()
_SPOT: Final = _indented(
    5, "<instanceLifecycle>spot</instanceLifecycle>", "<spotInstanceRequestId>%s</spotInstanceRequestId>"
).encode()
_RESERVATION: Final = _indented(
    2,
    "<item>",
    "<reservationId>r-0%(n)s</reservationId>",
    f"<ownerId>{ACCOUNT}</ownerId>",
    "<groupSet/>",
    "<instancesSet>",
    "<item>",
    "<instanceId>%(id)s</instanceId>",
    "<imageId>ami-0b9f27b05e1de14e9</imageId>",
    "<instanceState>",
    "%(state)s",
    "</instanceState>",
    "<privateDnsName>%(host)s.ec2.internal</privateDnsName>",
    "<dnsName/>",
    "<reason/>",
    "<keyName>ml-platform</keyName>",
    "<amiLaunchIndex>0</amiLaunchIndex>",
    "<productCodes/>",
    "<instanceType>%(type)s</instanceType>",
    "<launchTime>%(launched)s</launchTime>",
    "<placement>",
    "<availabilityZone>%(zone)s</availabilityZone>",
    "<availabilityZoneId>use1-az4</availabilityZoneId>",
    "<groupName>cluster-placement</groupName>",
    "<tenancy>default</tenancy>",
    "</placement>",
    "<monitoring>",
    "<state>enabled</state>",
    "</monitoring>",
    "<subnetId>subnet-0c1f8a6de9c3b7a11</subnetId>",
    "<vpcId>vpc-07d1c0b6a2f4e9d35</vpcId>",
    "<privateIpAddress>%(ip)s</privateIpAddress>",
    "<sourceDestCheck>true</sourceDestCheck>",
    *_SECURITY_GROUPS,
    "<architecture>x86_64</architecture>",
    "<rootDeviceType>ebs</rootDeviceType>",
    "<rootDeviceName>/dev/sda1</rootDeviceName>",
    "<blockDeviceMapping>",
    *(line for device, volume in _DISKS for line in _disk(device, volume)),
    "</blockDeviceMapping>",
    "<virtualizationType>hvm</virtualizationType>",
    "<clientToken>fleet-4b1d2a60-%(n)s</clientToken>",
    "<tagSet>",
    "%(tags)s",
    "</tagSet>",
    "<hypervisor>xen</hypervisor>",
    "<networkInterfaceSet>",
    *(line for index in range(_INTERFACES) for line in _interface(index)),
    "</networkInterfaceSet>",
    "<iamInstanceProfile>",
    f"<arn>arn:aws:iam::{ACCOUNT}:instance-profile/ml-trainer</arn>",
    "<id>AIPA3EXAMPLE7TRAINER00</id>",
    "</iamInstanceProfile>",
    "<ebsOptimized>true</ebsOptimized>",
    "<enaSupport>true</enaSupport>",
    "<cpuOptions>",
    "<coreCount>48</coreCount>",
    "<threadsPerCore>2</threadsPerCore>",
    "</cpuOptions>",
    "<capacityReservationSpecification>",
    "<capacityReservationPreference>open</capacityReservationPreference>",
    "</capacityReservationSpecification>",
    "<hibernationOptions>",
    "<configured>false</configured>",
    "</hibernationOptions>",
    "<metadataOptions>",
    "<state>applied</state>",
    "<httpTokens>required</httpTokens>",
    "<httpPutResponseHopLimit>2</httpPutResponseHopLimit>",
    "<httpEndpoint>enabled</httpEndpoint>",
    "<httpProtocolIpv6>disabled</httpProtocolIpv6>",
    "<instanceMetadataTags>disabled</instanceMetadataTags>",
    "</metadataOptions>",
    "<enclaveOptions>",
    "<enabled>false</enabled>",
    "</enclaveOptions>",
    "<bootMode>uefi-preferred</bootMode>",
    "<platformDetails>Linux/UNIX</platformDetails>",
    "<usageOperation>RunInstances</usageOperation>",
    "<usageOperationUpdateTime>%(launched)s</usageOperationUpdateTime>",
    "<privateDnsNameOptions>",
    "<hostnameType>ip-name</hostnameType>",
    "<enableResourceNameDnsARecord>false</enableResourceNameDnsARecord>",
    "<enableResourceNameDnsAAAARecord>false</enableResourceNameDnsAAAARecord>",
    "</privateDnsNameOptions>",
    "<maintenanceOptions>",
    "<autoRecovery>default</autoRecovery>",
    "<rebootMigration>default</rebootMigration>",
    "</maintenanceOptions>",
    "<currentInstanceBootMode>uefi</currentInstanceBootMode>",
    "<networkPerformanceOptions>",
    "<bandwidthWeighting>default</bandwidthWeighting>",
    "</networkPerformanceOptions>",
    "<operator>",
    "<managed>false</managed>",
    "</operator>",
    "%(spot)s",
    "</item>",
    "</instancesSet>",
    "</item>",
).encode()

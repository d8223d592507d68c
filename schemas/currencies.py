"""Currencies of ISO 4217, and how many decimals the smallest unit of each stands for.

A table of our own: only codes and decimals are asked, and they change once or twice a year.
Codes that were withdrawn since 2020 stay, because orders of that time have them.
"""

from typing import Final

CURRENCY: Final = "CNY"  # of the shop, unless a setting says otherwise

_BY_DECIMALS: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP "
        "BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR "
        "FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IRR JMD KES KGS KHR "
        "KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR "
        "MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK "
        "SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN "
        "UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG ZWL"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
DECIMALS: Final = {
    currency: decimals
    for decimals, currencies in _BY_DECIMALS.items()
    for currency in currencies.split()
}


def folded(currency: str) -> str:
    """A currency as it is compared: without spaces around it, in upper case.

    >>> folded(" cny ")
    'CNY'
    """
    return currency.strip().upper()

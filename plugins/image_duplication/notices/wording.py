"""The words of a notice, in English and in Hindi: the same templates, with the same figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from image_duplication.detection.hindi_sentences import describe_in_hindi
from image_duplication.records import PhotoProblem


@dataclass(frozen=True, slots=True)
class Wording:
    """Every text of a notice in one language, as templates for `str.format`."""

    language: str  # as in BCP 47
    language_name: str
    months: tuple[str, ...]
    describe: Callable[[Iterable[str], str | None], str]
    title: str
    draft: str
    seller: str
    without_seller: str
    written_on: str
    products: str
    seller_notices: str
    rule: str
    counts_once: str
    what_to_upload: str
    consequence: str
    appeal: str
    appeal_without_contact: str
    product: str
    too_few: str
    upload: str
    upload_overdue: str
    told_before: str
    no_photos: str
    finding: str
    keep: str
    problems: Mapping[PhotoProblem, str]
    photo: str
    replace: str
    kept: str
    more_in_csv: str

    def write_date(self, iso: str) -> str:
        """A date YYYY-MM-DD as people read it."""
        day = date.fromisoformat(iso)
        return f"{day.day} {self.months[day.month - 1]} {day.year}"


def _describe_in_english(kinds: Iterable[str], sentence: str | None) -> str:
    # null in the state of an earlier release
    return sentence or f"same photo ({', '.join(kinds)})"


ENGLISH = Wording(
    language="en",
    language_name="English",
    months=(
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
    describe=_describe_in_english,
    title="Notice about the photos of your products",
    draft="Draft. It has not been sent, and no days are counted.",
    seller="Seller: {seller}",
    without_seller="Products without a seller",
    written_on="Date of this notice: {date}",
    products="Products in this notice: {count}",
    seller_notices="Earlier notices to this seller that were settled: {count}",
    rule=(
        "Every product must show enough different photos, each with another view of it. "
        "The products below show too few."
    ),
    counts_once=(
        "One photo counts once, even if it was saved again, turned, mirrored, cropped or "
        "recoloured, or if a frame or text was added."
    ),
    what_to_upload=(
        "Please upload photos of the product itself, taken from other sides: front, back, side, "
        "top, inside, and a close-up of a detail."
    ),
    consequence=(
        "A product that still shows too few different photos after its date may be taken off the "
        "marketplace. A person decides on that."
    ),
    appeal=(
        "Do you think that two photos named here are different views? Then please write to "
        "{contact}, with the product and the numbers of the photos. A person will look at them "
        "and decide."
    ),
    appeal_without_contact=(
        "Do you think that two photos named here are different views? Then please reply to whoever "
        "sent you this notice, with the product and the numbers of the photos. A person will look "
        "at them and decide."
    ),
    product="Product {variant}",
    too_few="Different photos: {distinct}. Needed: {required}. Missing: {missing}.",
    upload="Please upload {missing} more photo(s) of other views by the end of {date}.",
    upload_overdue=(
        "This was due by {date}. Please upload {missing} more photo(s) of other views now."
    ),
    told_before="Earlier times that this product showed too few different photos: {count}.",
    no_photos="It shows no photo yet.",
    finding="Photo {photo} repeats photo {other}: {sentence}.",
    keep="Keep photo {keep} and replace photo {photo}.",
    problems={
        PhotoProblem.TOO_SMALL: "Photo {photo} is too small. Please upload it larger.",
        PhotoProblem.BLANK: (
            "Photo {photo} shows a single colour only. Please upload a photo of the product."
        ),
        PhotoProblem.PLACEHOLDER: (
            "Photo {photo} is only a notice such as “No image available”. Please upload a photo of "
            "the product."
        ),
        PhotoProblem.LISTED_TWICE: (
            "Photo {photo} is listed twice and counts once. Please upload another photo instead."
        ),
        PhotoProblem.UNREADABLE: (
            "Photo {photo} could not be opened. Please upload it again as a JPEG or PNG file."
        ),
    },
    photo="Photo {photo}",
    replace="Replace",
    kept="Keep",
    more_in_csv="{count} more products are in the file notice.csv.",
)  # fmt: skip

HINDI = Wording(
    language="hi",
    language_name="हिन्दी",
    months=(
        "जनवरी", "फ़रवरी", "मार्च", "अप्रैल", "मई", "जून",
        "जुलाई", "अगस्त", "सितंबर", "अक्टूबर", "नवंबर", "दिसंबर",
    ),
    describe=describe_in_hindi,
    title="आपके उत्पादों की फ़ोटो के बारे में सूचना",
    draft="मसौदा। यह भेजा नहीं गया है और अभी कोई दिन नहीं गिना जा रहा है।",
    seller="विक्रेता: {seller}",
    without_seller="बिना विक्रेता वाले उत्पाद",
    written_on="इस सूचना की तारीख: {date}",
    products="इस सूचना में उत्पाद: {count}",
    seller_notices="इस विक्रेता को पहले दी गई सूचनाएँ, जिनका निपटारा हो चुका है: {count}",
    rule=(
        "हर उत्पाद के लिए पर्याप्त अलग-अलग फ़ोटो होना ज़रूरी है, और हर फ़ोटो में उत्पाद का अलग दृश्य होना "
        "चाहिए। नीचे दिए गए उत्पादों की अलग-अलग फ़ोटो कम हैं।"
    ),
    counts_once=(
        "एक ही फ़ोटो एक बार ही गिनी जाती है, भले ही उसे दोबारा सहेजा, घुमाया, पलटा या काटा गया हो, उसके "
        "रंग बदले गए हों, या उस पर फ़्रेम या टेक्स्ट जोड़ा गया हो।"
    ),
    what_to_upload=(
        "कृपया इसी उत्पाद की अलग-अलग कोणों से ली गई फ़ोटो अपलोड करें: सामने से, पीछे से, बगल से, ऊपर से, "
        "भीतर से, और किसी हिस्से की नज़दीक से ली गई फ़ोटो।"
    ),
    consequence=(
        "जिस उत्पाद की अलग-अलग फ़ोटो दी गई तारीख के बाद भी कम रहेंगी, उसे बाज़ार से हटाया जा सकता है। इसका "
        "निर्णय एक अधिकारी करेंगे।"
    ),
    appeal=(
        "क्या आपको लगता है कि यहाँ बताई गई दो फ़ोटो अलग-अलग दृश्य दिखाती हैं? तो कृपया उत्पाद और फ़ोटो के "
        "क्रमांक बताते हुए {contact} पर लिखें। एक अधिकारी उन्हें देखकर निर्णय करेंगे।"
    ),
    appeal_without_contact=(
        "क्या आपको लगता है कि यहाँ बताई गई दो फ़ोटो अलग-अलग दृश्य दिखाती हैं? तो कृपया उत्पाद और फ़ोटो के "
        "क्रमांक बताते हुए इस सूचना को भेजने वाले को उत्तर दें। एक अधिकारी उन्हें देखकर निर्णय करेंगे।"
    ),
    product="उत्पाद {variant}",
    too_few="अलग-अलग फ़ोटो: {distinct}। ज़रूरी: {required}। कम: {missing}।",
    upload="कृपया {date} के अंत तक दूसरे दृश्यों की {missing} और फ़ोटो अपलोड करें।",
    upload_overdue=(
        "इसकी अंतिम तारीख {date} थी। कृपया अब दूसरे दृश्यों की {missing} और फ़ोटो अपलोड करें।"
    ),
    told_before="इस उत्पाद की अलग-अलग फ़ोटो पहले भी {count} बार कम पाई गई हैं।",
    no_photos="इसकी अभी कोई फ़ोटो नहीं है।",
    finding="फ़ोटो {photo} और फ़ोटो {other} एक ही हैं: {sentence}।",
    keep="फ़ोटो {keep} रखें और फ़ोटो {photo} बदलें।",
    problems={
        PhotoProblem.TOO_SMALL: "फ़ोटो {photo} बहुत छोटी है। कृपया उसे बड़े आकार में अपलोड करें।",
        PhotoProblem.BLANK: (
            "फ़ोटो {photo} में केवल एक रंग है। कृपया उत्पाद की फ़ोटो अपलोड करें।"
        ),
        PhotoProblem.PLACEHOLDER: (
            "फ़ोटो {photo} में केवल “चित्र उपलब्ध नहीं” जैसी सूचना है। कृपया उत्पाद की फ़ोटो अपलोड करें।"
        ),
        PhotoProblem.LISTED_TWICE: (
            "फ़ोटो {photo} दो बार दर्ज है और एक ही बार गिनी जाती है। कृपया उसकी जगह दूसरी फ़ोटो अपलोड करें।"
        ),
        PhotoProblem.UNREADABLE: (
            "फ़ोटो {photo} खोली नहीं जा सकी। कृपया उसे JPEG या PNG फ़ाइल के रूप में फिर से अपलोड करें।"
        ),
    },
    photo="फ़ोटो {photo}",
    replace="बदलें",
    kept="रखें",
    more_in_csv="{count} और उत्पाद फ़ाइल notice.csv में हैं।",
)  # fmt: skip

WORDINGS = (ENGLISH, HINDI)

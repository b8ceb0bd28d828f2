// @ts-check
// Emoji by name, as ":tada:": those of relay/screen, in its order. A test compares the two.

/** Each row: the emoji and its names. */
const table = `
👍 thumbsup +1
👎 thumbsdown -1
👋 wave
👏 clap
🙏 pray thanks
👌 ok_hand
🤝 handshake
💪 muscle
🙌 raised_hands
✋ raised_hand
🤞 crossed_fingers fingers_crossed
✌️ v victory
👊 fist_oncoming punch
✊ fist
🤘 metal
🖖 vulcan_salute
🤙 call_me_hand
👆 point_up_2
👇 point_down
👈 point_left
👉 point_right
👐 open_hands
🤲 palms_up_together
🖕 middle_finger
✍️ writing_hand
🫶 heart_hands
🫡 saluting_face salute
😄 smile
🙂 slightly_smiling_face
😂 joy
🤣 rofl
😉 wink
😊 blush
😅 sweat_smile
🤔 thinking
😎 sunglasses cool_face
😍 heart_eyes
😀 grinning
😃 smiley
😁 grin
😆 laughing satisfied
🙃 upside_down_face
😇 innocent
🥰 smiling_face_with_three_hearts
😘 kissing_heart
😋 yum
😛 stuck_out_tongue
😜 stuck_out_tongue_winking_eye
🤪 zany_face
🤗 hugs
🤭 hand_over_mouth
🤫 shushing_face
🤐 zipper_mouth_face
🤨 raised_eyebrow
😐 neutral_face
😑 expressionless
😶 no_mouth
😏 smirk
😒 unamused
🙄 roll_eyes
😬 grimacing
😌 relieved
😔 pensive
😪 sleepy
🤤 drooling_face
😴 sleeping
😷 mask
🤒 face_with_thermometer
🤕 face_with_head_bandage
🤢 nauseated_face
🤮 vomiting_face
🤧 sneezing_face
🥵 hot_face
🥶 cold_face
😵 dizzy_face
🤯 exploding_head
🥳 partying_face party
🤓 nerd_face
🧐 monocle_face
😕 confused
😟 worried
🙁 slightly_frowning_face
😮 open_mouth
😲 astonished
😳 flushed
🥺 pleading_face
😨 fearful
😰 cold_sweat
😢 cry
😭 sob
😱 scream
😞 disappointed
😓 sweat
😩 weary
😫 tired_face
🥱 yawning_face
😤 triumph
😠 angry
😡 rage
🤬 cursing_face
😈 smiling_imp
💀 skull
💩 poop hankey
🤡 clown_face
👻 ghost
👽 alien
🤖 robot
🙈 see_no_evil
🙉 hear_no_evil
🙊 speak_no_evil
🤷 shrug
🤦 facepalm
🙋 raising_hand
🙅 no_good
🙆 ok_person
💁 tipping_hand_person
🙇 bow
💃 dancer
🕺 man_dancing
🏃 runner running
🚶 walking
👀 eyes
🧠 brain
👶 baby
👑 crown
🧑‍💻 technologist
🥷 ninja
🧙 mage
❤️ heart
💔 broken_heart
💛 yellow_heart
💚 green_heart
💙 blue_heart
💜 purple_heart
🧡 orange_heart
🖤 black_heart
💕 two_hearts
✅ white_check_mark check
❌ x
❓ question
❗ exclamation
‼️ bangbang
⚠️ warning
⛔ no_entry
🚫 no_entry_sign
🛑 stop_sign
💯 100
🔥 fire
✨ sparkles
⭐ star
🌟 star2
💥 boom collision
⚡ zap
💤 zzz
💬 speech_balloon
💭 thought_balloon
🆗 ok
🆒 cool
🆕 new
🆘 sos
➕ heavy_plus_sign plus
➖ heavy_minus_sign minus
➡️ arrow_right
⬅️ arrow_left
⬆️ arrow_up
⬇️ arrow_down
🔁 repeat
♻️ recycle
ℹ️ information_source info
🔴 red_circle
🟡 yellow_circle
🟢 green_circle
🔵 large_blue_circle
🎉 tada
🎊 confetti_ball
🎂 birthday
🎁 gift
🎈 balloon
🏆 trophy
🥇 1st_place_medal
🏅 medal_sports
🎯 dart
🎲 game_die
🎮 video_game
🎵 musical_note
🎶 notes
🎸 guitar
🚀 rocket
🐛 bug
💡 bulb
🔧 wrench
🔨 hammer
⚙️ gear
🚧 construction
📦 package
💻 computer
🖥️ desktop_computer
⌨️ keyboard
🖨️ printer
📱 iphone
☎️ phone telephone
💾 floppy_disk
📝 memo
📖 book
📚 books
📌 pushpin
📎 paperclip
✂️ scissors
📅 date
📈 chart_with_upwards_trend
📉 chart_with_downwards_trend
📊 bar_chart
📧 email
🔒 lock
🔓 unlock
🔑 key
🔍 mag
🔗 link
🔔 bell
🔕 no_bell
📢 loudspeaker
📣 mega
⏰ alarm_clock
⌛ hourglass
⏳ hourglass_flowing_sand
⌚ watch
🔋 battery
🔌 electric_plug
💰 moneybag
💸 money_with_wings
💎 gem
💣 bomb
🗑️ wastebasket
🛏️ bed
🚪 door
🏠 house
🏢 office
🚗 car
🚌 bus
🚲 bike
🚆 train2
✈️ airplane
🚢 ship
☕ coffee
🍵 tea
🍺 beer
🍻 beers
🍷 wine_glass
🥂 clinking_glasses
🍾 champagne
🍕 pizza
🍔 hamburger
🍟 fries
🌮 taco
🍜 ramen
🍲 stew soup
🍣 sushi
🥗 green_salad
🍞 bread
🧀 cheese
🍳 fried_egg
🍰 cake
🍪 cookie
🍩 doughnut
🍫 chocolate_bar
🍿 popcorn
🍎 apple
🍌 banana
🥑 avocado
🌶️ hot_pepper
🐱 cat
🐶 dog
🦄 unicorn
🐧 penguin
🐢 turtle
🐍 snake
🐘 elephant
🦀 crab
🐝 bee honeybee
🦊 fox_face
🐼 panda_face
🐙 octopus
🦆 duck
🐸 frog
🐌 snail
🌱 seedling
🌹 rose
🌸 cherry_blossom
🍀 four_leaf_clover
🌵 cactus
🎄 christmas_tree
☀️ sunny
☁️ cloud
☔ umbrella
❄️ snowflake
⛄ snowman
🌈 rainbow
🌊 ocean
🌙 crescent_moon
🌍 earth_africa
🌎 earth_americas
🌏 earth_asia
🏁 checkered_flag
🏳️‍🌈 rainbow_flag
🚩 triangular_flag_on_post
`;

/** The emoji of each name. @type {Map<string, string>} */
export const emoji = new Map(table.trim().split('\n').flatMap((row) => {
	const [char, ...names] = row.split(' ');
	return names.map((name) => /** @type {[string, string]} */ ([name, char]));
}));
